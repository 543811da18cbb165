#pragma once
#include <filesystem>
#include <string>

#include "storage/storage.h"

namespace lamina::checkpoint {

/// A whole index file. Throws FormatError when it is larger than any index can be.
[[nodiscard]] std::string read_text(const std::filesystem::path& path, storage::Storage& storage);

}  // namespace lamina::checkpoint
