#pragma once
#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "checkpoint/paths.h"
#include "checkpoint/save_state.h"
#include "checkpoint/shard_plan.h"
#include "runtime/device_context.h"

namespace lamina::checkpoint {

using Tree = std::shared_ptr<const weights::WeightTree>;

/// The values of a tree's variables at one moment.
struct Values {
  std::vector<Variable::Snapshot> all;  ///< node by node
  std::vector<std::size_t> first;       ///< of each node

  [[nodiscard]] const Variable::Snapshot& at(weights::NodeId node, std::size_t variable) const {
    return all[first[node] + variable];
  }
};

/// What of a tree goes where.
struct SavePlan {
  std::vector<weights::WeightEntry> entries;
  ShardPlan shards;
};

/// A save whose arguments have been checked and whose values have been taken hold of: the rest may
/// happen later, on any thread, whatever becomes of the variables meanwhile.
struct SaveJob {
  Tree tree;
  Values values;
  SaveTarget target;
  SaveRequest request;
  SnapshotPolicy snapshot = SnapshotPolicy::kNone;
  /// Where the devices of the values were in their work when these were taken hold of.
  std::vector<runtime::DeviceMark> after = {};
  std::optional<SavePlan> plan;  ///< where checking needed it
};

/// Checks what can be checked without work for each byte or each path, asks before a checkpoint is
/// replaced where it has to, and takes hold of the values. Nothing: the user said no.
/// Throws ValueError for a bad name, an unbuilt tree, an oversized or a released variable.
[[nodiscard]] std::optional<SaveJob> begin_save(Tree tree, const std::filesystem::path& path,
                                                SaveRequest request, storage::Storage& storage);

/// Writes the checkpoint and puts it in place. Does not call `state.finish`.
/// Throws ValueError, StorageError, CancelledError; the old checkpoint then stays.
void run_save(SaveJob& job, storage::Storage& storage, SaveState& state);

}  // namespace lamina::checkpoint
