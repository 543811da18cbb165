#pragma once
#include <lamina/device.h>

#include <functional>

#include "kernels/jobs.h"

namespace lamina::ops {

/// Runs kernels' jobs where the memory is that they name: on the stream on which a device's values
/// are computed, or here and now on the CPU. Made beside the backends (backends.cpp).
class JobRunner {
 public:
  /// What runs a job on one device.
  using Run = std::function<void(const kernels::Job&)>;

  /// Throws ValueError when this build has nothing for the device, DeviceError.
  explicit JobRunner(Device device);
  [[nodiscard]] Device device() const noexcept { return device_; }
  /// Returns when the job is done (CPU) or the stream has it. Throws UnsupportedError for a dtype
  /// that the job is not defined for, DeviceError.
  void run(const kernels::Job& job) const { run_(job); }

 private:
  Device device_;
  Run run_;
};

}  // namespace lamina::ops
