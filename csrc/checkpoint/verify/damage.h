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

}  // namespace lamina::checkpoint
