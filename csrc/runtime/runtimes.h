#pragma once
#include <lamina/device.h>

#include "runtime/runtime.h"

namespace lamina::runtime {

/// Devices that CUDA can use: 0 also without a driver, and in a build without CUDA.
[[nodiscard]] int cuda_device_count() noexcept;

/// Throws ValueError when this build has no runtime for the device, DeviceError when the device
/// cannot be used.
[[nodiscard]] std::unique_ptr<Runtime> make_runtime(Device device);

}  // namespace lamina::runtime
