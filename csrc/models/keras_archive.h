#pragma once
#include <cstdint>
#include <filesystem>
#include <string>

namespace lamina::models {

/// The bytes of one member of a ZIP archive. Throws FileNotFoundError when there is no such
/// archive, FormatError for what is no archive, lacks the member, or declares more than `limit`
/// bytes for it.
[[nodiscard]] std::string read_archive_member(const std::filesystem::path& archive,
                                              const std::string& member, std::uint64_t limit);

}  // namespace lamina::models
