#pragma once
#include <filesystem>

#include "checkpoint/commit/recovery_report.h"
#include "storage/storage.h"

namespace lamina::checkpoint {

/// Recovers every checkpoint of a directory, and what it has of a CheckpointManager's steps.
/// Touches no files but those that saves make.
[[nodiscard]] Recovery recover_directory(const std::filesystem::path& directory,
                                         storage::Storage& storage);

}  // namespace lamina::checkpoint
