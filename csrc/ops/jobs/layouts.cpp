#include "ops/jobs/layouts.h"

#include <lamina/error.h>

#include <limits>

namespace lamina::ops::jobs {

kernels::Layout layout(const std::vector<std::int64_t>& dims, const Strides& strides) {
  kernels::Layout out;
  for (std::size_t i = 0; i < dims.size(); ++i) {
    if (dims[i] == 1) continue;
    const int last = out.rank - 1;
    if (out.rank > 0 && out.strides[last] == strides[i] * dims[i]) {
      out.dims[last] *= dims[i];
      out.strides[last] = strides[i];
      continue;
    }
    if (out.rank == kernels::kMaxRank) {
      throw UnsupportedError("Arrays of more than " + std::to_string(kernels::kMaxRank) +
                             " dimensions are not supported on CUDA devices.");
    }
    out.dims[out.rank] = dims[i];
    out.strides[out.rank++] = strides[i];
  }
  out.narrow = out.size() <= std::numeric_limits<std::int32_t>::max();
  return out;
}

kernels::Layout dense(std::int64_t size) {
  return kernels::Layout::dense(size);
}

kernels::Groups groups(const Shape& shape, const std::vector<std::size_t>& axes) {
  const AxisSplit split(shape, axes);
  kernels::Groups out;
  out.kept = layout(split.kept_dims, split.kept_strides);
  out.reduced = layout(split.reduced_dims, split.reduced_strides);
  out.count = out.kept.size();
  out.size = split.reduced_size();
  const int last = out.reduced.rank - 1;
  out.slices = kernels::Slices::of(out.count, out.size,
                                   out.reduced.rank > 0 && out.reduced.strides[last] == 1);
  return out;
}

std::size_t parts_bytes(const kernels::Slices& slices, std::int64_t groups) {
  struct Largest {
    double numbers[3];
  };
  return slices.bytes<Largest>(groups);
}

std::vector<std::size_t> axes_but(const Shape& shape, std::size_t axis) {
  std::vector<std::size_t> axes;
  for (std::size_t i = 0; i < shape.rank(); ++i) {
    if (i != axis) axes.push_back(i);
  }
  return axes;
}

std::int64_t stride_of(const Shape& shape, std::size_t axis) {
  return row_major(shape)[axis];
}

}  // namespace lamina::ops::jobs
