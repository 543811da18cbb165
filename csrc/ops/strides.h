#pragma once
#include <lamina/shape.h>

#include <cstdint>
#include <vector>

namespace lamina::ops {

using Strides = std::vector<std::int64_t>;

/// Elements between neighbours along each dimension of a dense row-major array.
[[nodiscard]] inline Strides row_major(const Shape& shape) {
  Strides strides(shape.rank());
  std::int64_t step = 1;
  for (std::size_t i = shape.rank(); i-- > 0;) {
    strides[i] = step;
    step *= shape.dims()[i];
  }
  return strides;
}

/// Strides that read `shape` as though it were broadcast to `to`, numpy's way: 0 along what is
/// repeated.
[[nodiscard]] inline Strides broadcast_strides(const Shape& shape, const Shape& to) {
  const Strides own = row_major(shape);
  Strides strides(to.rank(), 0);
  const std::size_t offset = to.rank() - shape.rank();
  for (std::size_t i = 0; i < shape.rank(); ++i) {
    if (shape.dims()[i] != 1) strides[offset + i] = own[i];
  }
  return strides;
}

/// Calls f(offset) for each index of `dims`, in row-major order, where offset = sum(index *
/// strides).
template <class F>
void for_each_offset(const std::vector<std::int64_t>& dims, const Strides& strides, F&& f) {
  for (const std::int64_t dim : dims) {
    if (dim == 0) return;
  }
  std::vector<std::int64_t> index(dims.size(), 0);
  std::int64_t offset = 0;
  while (true) {
    f(offset);
    std::size_t axis = dims.size();
    while (axis > 0) {
      --axis;
      offset += strides[axis];
      if (++index[axis] < dims[axis]) break;
      offset -= strides[axis] * dims[axis];
      index[axis] = 0;
      if (axis == 0) return;
    }
    if (dims.empty()) return;
  }
}

/// The dimensions of a shape apart: those of `axes`, which a reduction runs over, and the others.
struct AxisSplit {
  std::vector<std::int64_t> kept_dims, reduced_dims;
  Strides kept_strides, reduced_strides;

  AxisSplit(const Shape& shape, const std::vector<std::size_t>& axes) {
    const Strides strides = row_major(shape);
    std::size_t next = 0;
    for (std::size_t i = 0; i < shape.rank(); ++i) {
      const bool reduced = next < axes.size() && axes[next] == i;
      if (reduced) ++next;
      (reduced ? reduced_dims : kept_dims).push_back(shape.dims()[i]);
      (reduced ? reduced_strides : kept_strides).push_back(strides[i]);
    }
  }
  [[nodiscard]] std::int64_t reduced_size() const {
    std::int64_t size = 1;
    for (const std::int64_t dim : reduced_dims) size *= dim;
    return size;
  }
};

}  // namespace lamina::ops
