#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "checkpoint/device_transfer.h"
#include "checkpoint/save_job.h"
#include "checkpoint/shard_plan.h"
#include "checkpoint/shard_sealer.h"
#include "checkpoint/transfer.h"
#include "h5/layout.h"
#include "weights/weight_tree.h"

namespace lamina::checkpoint {

/// A shard of which every byte and its place is known. Shares the variables' values, copies none.
struct PreparedShard {
  std::string name;
  std::shared_ptr<const h5::Layout> layout;
  std::vector<std::pair<std::uint64_t, Tensor>> tensors;  ///< by offset
  std::unique_ptr<ShardSealer> sealer = nullptr;          ///< null: not sealed

  /// Of what lies in host memory, metadata included.
  [[nodiscard]] std::vector<WriteExtent> extents(storage::WritableFile* file) const;
  /// The other devices that hold a part, each once.
  [[nodiscard]] std::vector<Device> devices() const;
  [[nodiscard]] std::vector<DeviceWrite> extents_on(Device device,
                                                    storage::WritableFile* file) const;
  /// What is written before the seal.
  [[nodiscard]] std::uint64_t bytes() const;
  [[nodiscard]] std::uint64_t file_size() const;

 private:
  [[nodiscard]] TensorChecksum* checksum(std::size_t i) const {
    return sealer ? sealer->checksum(i) : nullptr;
  }
};

/// Lays shard `i` of the plan out, or takes the layout that an earlier save made, and takes hold of
/// its values. Without an id the shard is not sealed.
[[nodiscard]] PreparedShard prepare_shard(const SavePlan& plan, std::size_t i, std::string name,
                                          const weights::WeightTree& tree, const Values& values,
                                          const std::optional<SaveId>& save);

}  // namespace lamina::checkpoint
