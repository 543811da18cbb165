#pragma once
#include <lamina/tensor.h>

#include <span>
#include <vector>

#include "runtime/runtime.h"

namespace lamina::checkpoint {

/// Copies of tensors of one device on that device, in one block of memory. The first copy waits for
/// `after`; returns when all are done. Throws DeviceError, of lacking memory also when there are
/// not `spare` bytes more, which stay free.
[[nodiscard]] std::vector<Tensor> copies_beside(std::span<const Tensor> tensors,
                                                std::span<const runtime::Event* const> after,
                                                std::size_t spare = 0);

/// The memory that copies which nobody asked for leave to others: an eighth of their own.
[[nodiscard]] std::size_t spare_memory(std::span<const Tensor> tensors);

/// The same in host memory, by way of the device's ring. Throws DeviceError, OutOfMemoryError.
[[nodiscard]] std::vector<Tensor> copies_in_host_memory(
    std::span<const Tensor> tensors, std::span<const runtime::Event* const> after);

/// True when host memory for them, and the spare memory, is to be had without swapping, as far as
/// the system tells.
[[nodiscard]] bool fit_in_host_memory(std::span<const Tensor> tensors);

}  // namespace lamina::checkpoint
