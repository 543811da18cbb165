#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "checkpoint/device_transfer.h"
#include "checkpoint/save_job.h"
#include "checkpoint/shard_plan.h"
#include "checkpoint/transfer.h"
#include "h5/layout.h"
#include "weights/weight_tree.h"

namespace lamina::checkpoint {

/// A shard of which every byte and its place is known. Shares the variables' values, copies none.
struct PreparedShard {
  std::string name;
  std::shared_ptr<const h5::Layout> layout;
  std::vector<std::pair<std::uint64_t, Tensor>> tensors;  ///< by offset

  /// Of what lies in host memory, metadata included.
  [[nodiscard]] std::vector<WriteExtent> extents(storage::WritableFile* file) const;
  /// The other devices that hold a part, each once.
  [[nodiscard]] std::vector<Device> devices() const;
  [[nodiscard]] std::vector<DeviceWrite> extents_on(Device device,
                                                    storage::WritableFile* file) const;
  [[nodiscard]] std::uint64_t bytes() const;
};

/// Lays a shard out, or takes the layout that an earlier save made, and takes hold of its values.
[[nodiscard]] PreparedShard prepare_shard(const Shard& shard, std::string name,
                                          const weights::WeightTree& tree,
                                          const std::vector<weights::WeightEntry>& entries,
                                          const Values& values);

}  // namespace lamina::checkpoint
