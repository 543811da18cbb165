#pragma once
#include <vector>

#include "kernels/activation.h"
#include "kernels/reductions.h"
#include "ops/spec.h"
#include "ops/strides.h"

namespace lamina::ops::jobs {

/// Dimensions that lie as one are made one, so that fewer are divided by. Throws UnsupportedError
/// when more than kernels::kMaxRank are left.
[[nodiscard]] kernels::Layout layout(const std::vector<std::int64_t>& dims, const Strides& strides);

/// Elements in order.
[[nodiscard]] kernels::Layout dense(std::int64_t size);

/// What a reduction of `shape` over `axes` (sorted) works on.
[[nodiscard]] kernels::Groups groups(const Shape& shape, const std::vector<std::size_t>& axes);

/// Of a reduction with any accumulator of ours.
[[nodiscard]] std::size_t parts_bytes(const kernels::Slices& slices, std::int64_t groups);

/// All axes of `shape` but one.
[[nodiscard]] std::vector<std::size_t> axes_but(const Shape& shape, std::size_t axis);

/// Elements between neighbours along `axis`.
[[nodiscard]] std::int64_t stride_of(const Shape& shape, std::size_t axis);

[[nodiscard]] inline kernels::Function function(const Activation& activation) {
  return {activation.kind, activation.a, activation.b, activation.c};
}

}  // namespace lamina::ops::jobs
