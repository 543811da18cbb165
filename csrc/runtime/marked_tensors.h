#pragma once
#include <lamina/tensor.h>

#include <span>
#include <vector>

#include "runtime/device_context.h"

namespace lamina::runtime {

/// Copies on the host of tensors of the marked device; undefined ones stay so. Waits for what the
/// device was given before the mark and for the copies, which go beside what it was given since:
/// that must not write to the tensors. Throws DeviceError, OutOfMemoryError.
[[nodiscard]] std::vector<Tensor> copies_on_host(std::span<const Tensor> tensors,
                                                 const DeviceMark& mark);

}  // namespace lamina::runtime
