#pragma once
#include <memory>

#include "ops/cuda/engine.h"
#include "runtime/device_context.h"

namespace lamina::ops::cuda {

/// What computes on a device: one for all who use it at a time, since each has libraries to start
/// and plans to keep. Made for the options that are set now. Throws DeviceError, BackendError.
[[nodiscard]] std::shared_ptr<Engine> engine_of(
    const std::shared_ptr<runtime::DeviceContext>& context);

}  // namespace lamina::ops::cuda
