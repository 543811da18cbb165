#pragma once
#include <lamina/tensor.h>

#include <memory>
#include <utility>

namespace lamina::core {

/// Rows [begin, begin + count) of `all`, which has one at least, without copying; `all` itself
/// where these are all, or where it is undefined.
[[nodiscard]] inline Tensor rows_of(const Tensor& all, std::int64_t begin, std::int64_t count) {
  if (!all.defined() || count == all.shape()[0]) return all;
  Shape shape = all.shape();
  const std::size_t row = all.nbytes() / static_cast<std::size_t>(shape[0]);
  shape[0] = count;
  auto owner = std::make_shared<Tensor>(all);
  void* data = static_cast<std::byte*>(owner->raw()) + row * static_cast<std::size_t>(begin);
  return Tensor::view(data, std::move(shape), all.dtype(), std::move(owner), all.device());
}

}  // namespace lamina::core
