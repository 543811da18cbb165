#pragma once
#include <lamina/devices.h>

#include "ops/cuda/engine.h"

namespace lamina::ops::cuda {

/// A GPU: kernels are launched; cuDNN and cuBLASLt are used where they can be loaded, and done
/// without where not. Throws DeviceError.
[[nodiscard]] std::shared_ptr<Engine> make_cuda_engine(Device device, Float32Precision precision);

}  // namespace lamina::ops::cuda
