#pragma once
#include <cstdint>
#include <filesystem>

namespace lamina::training {

/// Makes a log, of a line of names and then lines that begin with a number, fit for a run that
/// begins `first` once more: cuts off the lines at the end that this run has written with `first`
/// or a greater number, and one without an end. The file loses nothing else, whenever the process
/// is killed. Returns false where not even the names are left. Throws StorageError.
[[nodiscard]] bool trim_log(const std::filesystem::path& log, std::int64_t first);

}  // namespace lamina::training
