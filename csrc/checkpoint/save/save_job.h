#pragma once
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "checkpoint/background/save_state.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/names/paths.h"
#include "checkpoint/save/shard_plan.h"
#include "h5/write/layout.h"
#include "runtime/device_context.h"

namespace lamina::checkpoint {

using TreePtr = std::shared_ptr<const weights::WeightTree>;

/// The values of a tree's variables at one moment.
struct Values {
  std::vector<Variable::Snapshot> all;  ///< node by node
  std::vector<std::size_t> first;       ///< of each node

  [[nodiscard]] const Variable::Snapshot& at(weights::NodeId node, std::size_t variable) const {
    return all[first[node] + variable];
  }
};

/// The layouts of a plan's shards, which live as long as the cache of layouts keeps them: so a save
/// that repeats need not describe its structure again to find them. Safe for use by several
/// threads.
class KnownLayouts {
 public:
  /// Null when shard `i` has none any more.
  [[nodiscard]] std::shared_ptr<const h5::Layout> get(std::size_t i) const;
  void put(std::size_t i, const std::shared_ptr<const h5::Layout>& layout);

 private:
  mutable std::mutex mutex_;
  std::vector<std::weak_ptr<const h5::Layout>> layouts_;
};

/// What of a tree goes where.
struct SavePlan {
  std::vector<weights::WeightEntry> entries;
  ShardPlan shards;
  bool align = true;  ///< large tensors
  std::shared_ptr<KnownLayouts> layouts = std::make_shared<KnownLayouts>();
};

/// A save whose arguments have been checked and whose values have been taken hold of: the rest may
/// happen later, on any thread, whatever becomes of the variables meanwhile.
struct SaveJob {
  TreePtr tree;
  Values values;
  SaveTarget target;
  SaveRequest request;
  SnapshotPolicy snapshot = SnapshotPolicy::kNone;
  /// Where the devices of the values were in their work when these were taken hold of.
  std::vector<runtime::DeviceMark> after = {};
  std::shared_ptr<const SavePlan> plan = {};  ///< where checking needed it
  bool fresh_directory = false;               ///< see fresh_directory.h
};

/// Checks what can be checked without work for each byte or each path, asks before a checkpoint is
/// replaced where it has to, and takes hold of the values. Nothing: the user said no.
/// Throws ValueError for a bad name, an unbuilt tree, an oversized or a released variable.
[[nodiscard]] std::optional<SaveJob> begin_save(TreePtr tree, const std::filesystem::path& path,
                                                SaveRequest request, storage::Storage& storage);

/// Writes the checkpoint and puts it in place. Does not call `state.finish`.
/// Throws ValueError, StorageError, CancelledError; the old checkpoint then stays.
void run_save(SaveJob& job, storage::Storage& storage, SaveState& state);

}  // namespace lamina::checkpoint
