#include "graph/placed_tensors.h"

#include <lamina/error.h>

#include <string>

#include "runtime/devices.h"

namespace lamina::graph {

void require_defined(const Tensor& tensor, std::size_t number) {
  if (tensor.defined()) return;
  throw ValueError("Number " + std::to_string(number) + " of the tensors given is undefined.");
}

void make_place(Tensor& place, const Shape& shape, DType dtype, Device device) {
  if (place.defined() && place.shape() == shape && place.dtype() == dtype) return;
  place = Tensor::empty(shape, dtype, device);
}

runtime::Copy copy_of(const Tensor& from, Tensor& to) {
  return {static_cast<std::byte*>(to.raw()), static_cast<const std::byte*>(from.raw()),
          from.nbytes()};
}

void copy_within(Device device, const std::vector<runtime::Copy>& copies) {
  if (copies.empty()) return;
  runtime::devices().get(device)->compute([&](runtime::Stream& stream) { stream.copy(copies); });
}

}  // namespace lamina::graph
