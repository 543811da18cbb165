#pragma once
#include <lamina/tensor.h>

#include <vector>

#include "runtime/runtime.h"

// How tensors come to lie where a plan reads them.
namespace lamina::graph {

/// Throws ValueError for one that is undefined, with its number.
void require_defined(const Tensor& tensor, std::size_t number);

/// Makes `place` one of such a shape and dtype, unless it is one: uninitialised.
void make_place(Tensor& place, const Shape& shape, DType dtype, Device device);

/// Of two tensors of one device, as large as each other.
[[nodiscard]] runtime::Copy copy_of(const Tensor& from, Tensor& to);

/// Gives the device's computing stream the copies: nothing waits for them. Throws DeviceError.
void copy_within(Device device, const std::vector<runtime::Copy>& copies);

}  // namespace lamina::graph
