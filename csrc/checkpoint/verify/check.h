#pragma once
#include <filesystem>

#include "storage/storage.h"

namespace lamina::checkpoint {

/// True when the checkpoint's files are all there, belong together, their metadata is sound and
/// every tensor lies within its file. Reads no tensor. Throws, like `is_sound`, what does not say
/// that the files are at fault, such as StorageError for one that cannot be opened just now.
[[nodiscard]] bool is_readable(const std::filesystem::path& checkpoint, storage::Storage& storage);

/// True when moreover every tensor is as it was saved, as far as the files are sealed.
[[nodiscard]] bool is_sound(const std::filesystem::path& checkpoint, storage::Storage& storage);

}  // namespace lamina::checkpoint
