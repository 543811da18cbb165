#include <algorithm>
#include <limits>

#include "kernels/elementwise.h"
#include "ops/reference/element.h"
#include "ops/reference/evaluate.h"
#include "ops/reference/extent.h"
#include "ops/strides.h"

namespace lamina::ops::reference {
namespace {

template <class T>
compute_t<T> lowest() {
  using C = compute_t<T>;
  if constexpr (std::is_floating_point_v<C>)
    return -std::numeric_limits<C>::infinity();
  else
    return std::numeric_limits<C>::min();
}

template <class T>
T pool_at(const Pool2D& op, const T* x, std::int64_t n, std::int64_t h, std::int64_t w,
          std::int64_t c) {
  using C = compute_t<T>;
  const Extent rows(op, 0, h);
  const Extent columns(op, 1, w);
  const bool is_max = op.kind == Pool2D::Kind::kMax;
  C result = is_max ? lowest<T>() : C(0);
  for (std::int64_t i = rows.begin; i < rows.end; ++i) {
    for (std::int64_t j = columns.begin; j < columns.end; ++j) {
      const C value = widen(x[((n * op.x.shape[1] + i) * op.x.shape[2] + j) * op.x.shape[3] + c]);
      result = is_max ? kernels::MaximumOp{}(result, value) : static_cast<C>(result + value);
    }
  }
  if (is_max) return narrow<T>(result);
  return narrow<T>(result /
                   static_cast<C>((rows.end - rows.begin) * (columns.end - columns.begin)));
}

}  // namespace

void evaluate(const Pool2D& op, const Operands& operands) {
  dispatch_number(op.y.dtype, [&]<class T>(T) {
    const T* x = operands.input<T>(0);
    T* y = operands.output<T>();
    for (std::int64_t n = 0; n < op.y.shape[0]; ++n) {
      for (std::int64_t h = 0; h < op.y.shape[1]; ++h) {
        for (std::int64_t w = 0; w < op.y.shape[2]; ++w) {
          for (std::int64_t c = 0; c < op.y.shape[3]; ++c) *y++ = pool_at(op, x, n, h, w, c);
        }
      }
    }
  });
}

void evaluate(const Reduce& op, const Operands& operands) {
  const AxisSplit split(op.x.shape, op.axes);
  const bool is_max = op.kind == Reduce::Kind::kMax;
  dispatch_number(op.y.dtype, [&]<class T>(T) {
    using C = compute_t<T>;
    const T* x = operands.input<T>(0);
    T* y = operands.output<T>();
    for_each_offset(split.kept_dims, split.kept_strides, [&](std::int64_t base) {
      C result = is_max ? lowest<T>() : C(0);
      for_each_offset(split.reduced_dims, split.reduced_strides, [&](std::int64_t offset) {
        const C value = widen(x[base + offset]);
        result = is_max ? kernels::MaximumOp{}(result, value) : static_cast<C>(result + value);
      });
      if (op.kind == Reduce::Kind::kMean) result /= static_cast<C>(split.reduced_size());
      *y++ = narrow<T>(result);
    });
  });
}

}  // namespace lamina::ops::reference
