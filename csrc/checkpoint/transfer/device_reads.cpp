#include "checkpoint/transfer/device_reads.h"

#include <algorithm>

#include "runtime/devices.h"

namespace lamina::checkpoint {

void DeviceReads::add(const storage::ReadableFile& file, std::uint64_t offset, Tensor& tensor,
                      TensorChecksum* checksum) {
  auto reads = std::find_if(of_devices_.begin(), of_devices_.end(),
                            [&](const Reads& each) { return each.device == tensor.device(); });
  if (reads == of_devices_.end()) {
    reads = of_devices_.insert(of_devices_.end(), Reads{tensor.device(), {}});
  }
  reads->extents.push_back(
      {&file, offset, static_cast<std::byte*>(tensor.raw()), tensor.nbytes(), checksum});
}

void DeviceReads::run(ByteProgress& progress, const DeviceTravel& travel) const {
  for (const auto& [device, extents] : of_devices_) {
    const auto context = runtime::devices().get(device);
    read_to_device(extents, context->ring(), progress,
                   {.timeline = travel.timeline, .threads = travel.threads});
  }
}

}  // namespace lamina::checkpoint
