#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "storage/storage.h"

namespace lamina::checkpoint {

/// The first thing that is wrong with a checkpoint, as far as can be known without a model (see
/// `verify`, and for `progress`); empty: nothing is. Throws what does not say that the files are at
/// fault, such as StorageError for one that cannot be opened or read just now, whatever else is
/// wrong.
[[nodiscard]] std::string damage_of(
    const std::filesystem::path& checkpoint,
    const std::function<void(std::uint64_t done, std::uint64_t total)>& progress,
    storage::Storage& storage);

/// True when the checkpoint's files are all there, belong together, their metadata is sound and
/// every tensor lies within its file. Reads no tensor. Throws, like `damage_of`, what does not say
/// that the files are at fault, such as StorageError for one that cannot be opened just now.
[[nodiscard]] bool is_readable(const std::filesystem::path& checkpoint, storage::Storage& storage);

/// True when moreover every tensor is as it was saved, as far as the files are sealed.
[[nodiscard]] bool is_sound(const std::filesystem::path& checkpoint, storage::Storage& storage);

}  // namespace lamina::checkpoint
