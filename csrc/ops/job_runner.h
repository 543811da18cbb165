#pragma once
#include <lamina/device.h>

#include <memory>

#include "kernels/jobs.h"

namespace lamina::runtime {
class DeviceContext;
}

namespace lamina::ops {

namespace cuda {
class Engine;
}

/// Runs kernels' jobs where the memory is that they name: on the stream on which a device's values
/// are computed, or here and now on the CPU.
class JobRunner {
 public:
  /// Throws ValueError when this build has nothing for the device, DeviceError.
  explicit JobRunner(Device device);
  [[nodiscard]] Device device() const noexcept { return device_; }
  /// Returns when the job is done (CPU) or the stream has it. Throws UnsupportedError for a dtype
  /// that the job is not defined for, DeviceError.
  void run(const kernels::Job& job) const;

 private:
  Device device_;
  std::shared_ptr<runtime::DeviceContext> context_;
  std::shared_ptr<cuda::Engine> engine_;
};

}  // namespace lamina::ops
