#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "checkpoint/save/save_job.h"
#include "checkpoint/save/shard_plan.h"
#include "checkpoint/seal/shard_sealer.h"
#include "checkpoint/transfer/device_transfer.h"
#include "checkpoint/transfer/transfer.h"
#include "h5/write/layout.h"
#include "weights/weight_tree.h"

namespace lamina::checkpoint {

/// A variable's bytes and their place in a file.
struct PlacedTensor {
  std::uint64_t offset;
  std::span<const std::byte> bytes;  ///< on `device`
  Device device;
};

/// A shard of which every byte and its place is known. The values are the job's, which outlives it.
struct PreparedShard {
  std::string name;
  std::shared_ptr<const h5::Layout> layout;
  std::vector<PlacedTensor> tensors;              ///< in the order of saving; those of no bytes not
  std::unique_ptr<ShardSealer> sealer = nullptr;  ///< null: not sealed

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
