#pragma once
#include <filesystem>
#include <optional>

#include "checkpoint/save/save_job.h"
#include "storage/storage.h"

namespace lamina::checkpoint {

/// Checks what can be checked without work for each byte or each path, asks before a checkpoint is
/// replaced where it has to, and takes hold of the values. Nothing: the user said no.
/// Throws ValueError for a bad name, an unbuilt tree, an oversized or a released variable, and
/// StorageError for names that are too long.
[[nodiscard]] std::optional<SaveJob> begin_save(TreePtr tree, const std::filesystem::path& path,
                                                SaveRequest request, storage::Storage& storage);

}  // namespace lamina::checkpoint
