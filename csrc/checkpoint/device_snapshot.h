#pragma once
#include <lamina/tensor.h>

#include <span>
#include <vector>

#include "runtime/runtime.h"

namespace lamina::checkpoint {

/// Copies of tensors of one device on that device, in one block of memory. The first copy waits for
/// `after`; returns when all are done. Throws DeviceError.
[[nodiscard]] std::vector<Tensor> copies_beside(std::span<const Tensor> tensors,
                                                std::span<const runtime::Event* const> after);

/// The same in host memory, by way of the device's ring. Throws DeviceError, OutOfMemoryError.
[[nodiscard]] std::vector<Tensor> copies_in_host_memory(
    std::span<const Tensor> tensors, std::span<const runtime::Event* const> after);

/// True when host memory for them is to be had without swapping, as far as the system tells.
[[nodiscard]] bool fit_in_host_memory(std::span<const Tensor> tensors);

}  // namespace lamina::checkpoint
