#pragma once
#include <lamina/tensor.h>

#include <vector>

#include "checkpoint/transfer/device_transfer.h"

namespace lamina::checkpoint {

/// Places in files whose bytes go to tensors on devices, each device's through its own ring.
class DeviceReads {
 public:
  void add(const storage::ReadableFile& file, std::uint64_t offset, Tensor& tensor,
           TensorChecksum* checksum);
  /// Throws what read_to_device throws.
  void run(ByteProgress& progress, const DeviceTravel& travel) const;

 private:
  struct Reads {
    Device device;
    std::vector<DeviceRead> extents;
  };
  std::vector<Reads> of_devices_;
};

}  // namespace lamina::checkpoint
