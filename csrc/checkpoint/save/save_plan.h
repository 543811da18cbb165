#pragma once
#include <optional>

#include "checkpoint/save/save_job.h"

namespace lamina::checkpoint {

/// The bound of a shard; nothing for a single file.
[[nodiscard]] std::optional<ShardLimit> shard_limit(const SaveJob& job);

/// Throws ValueError for two objects at one path, or a variable that no shard can hold.
[[nodiscard]] SavePlan plan_save(const SaveJob& job);

}  // namespace lamina::checkpoint
