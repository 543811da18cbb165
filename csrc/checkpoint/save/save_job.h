#pragma once
#include <lamina/model.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_set>
#include <vector>

#include "checkpoint/names/paths.h"
#include "checkpoint/save/save_plan.h"
#include "checkpoint/transfer/device_transfer.h"
#include "core/variable_snapshot.h"
#include "runtime/device_context.h"
#include "storage/zip_writer.h"
#include "weights/weight_tree.h"

namespace lamina::checkpoint {

using TreePtr = std::shared_ptr<const weights::WeightTree>;

/// The values of a tree's variables at one moment.
struct Values {
  std::vector<core::VariableSnapshot> all;  ///< node by node
  std::vector<std::size_t> first;           ///< of each node

  [[nodiscard]] const core::VariableSnapshot& at(weights::NodeId node, std::size_t variable) const {
    return all[first[node] + variable];
  }
};

struct SaveRequest {
  bool overwrite = true;  ///< of a job false: nothing was there, or the user has yet to be asked
  std::optional<double> max_shard_size;
  bool keep_entries_together = false;
  std::unordered_set<weights::NodeId> skip;
  std::function<void(std::uint64_t, std::uint64_t)> progress;
  DeviceTravel travel = {};
  bool seal = true;
  bool align = true;
  /// What comes before the weights in a `.keras` archive. Empty: the file holds the weights alone.
  std::vector<storage::ZipText> archived = {};
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

}  // namespace lamina::checkpoint
