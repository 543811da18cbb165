#pragma once
#include <lamina/devices.h>

#include <memory>

#include "runtime/runtime.h"

namespace lamina::runtime {

/// Devices that CUDA can use: 0 also without a driver, and in a build without CUDA.
[[nodiscard]] int cuda_device_count() noexcept;

[[nodiscard]] CudaDevices find_cuda_devices();

/// Why CUDA finds no device, in words: from the name and the text of the status with which it
/// failed, and the versions of the driver (0: there is none) and of the runtime, as CUDA counts
/// them (13010 is 13.1).
[[nodiscard]] std::string no_device_reason(const std::string& status, const std::string& text,
                                           int driver_version, int runtime_version);

/// Throws ValueError when this build has no runtime for the device, DeviceError when the device
/// cannot be used.
[[nodiscard]] std::unique_ptr<Runtime> make_runtime(Device device);

}  // namespace lamina::runtime
