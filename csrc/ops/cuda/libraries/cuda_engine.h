#pragma once
#include "ops/cuda/device_options.h"
#include "ops/cuda/engines.h"

namespace lamina::ops::cuda {

/// A GPU: kernels are launched; cuDNN and cuBLASLt are used where they can be loaded, and done
/// without where not. Throws DeviceError.
[[nodiscard]] std::shared_ptr<Engine> make_cuda_engine(
    const std::shared_ptr<runtime::DeviceContext>& context, const EngineOptions& options);

}  // namespace lamina::ops::cuda
