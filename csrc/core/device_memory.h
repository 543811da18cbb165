#pragma once
#include <lamina/tensor.h>

#include <memory>
#include <span>
#include <vector>

// What tensors need of other devices than the host. It is defined in runtime/, above, which core/
// does not know.
namespace lamina::core {

/// Uninitialised memory of a device. Throws ValueError when this build knows no such device,
/// DeviceError when the device or the memory is not to be had.
[[nodiscard]] std::shared_ptr<void> allocate_on(Device device, std::size_t bytes);

/// Copies of the tensors on `device`, wherever they are now, with bytes of their own; undefined
/// ones stay so. Waits for what computes the values, and for the copies: all of them or none.
/// Throws likewise, and OutOfMemoryError.
[[nodiscard]] std::vector<Tensor> copies_on(Device device, std::span<const Tensor> tensors);

/// Copies the host's tensors `from` into those of one device, each of the same size, that `to`
/// holds. Waits as above. Throws DeviceError.
void copy_into(std::span<Tensor> to, std::span<const Tensor> from);

}  // namespace lamina::core
