#include <algorithm>
#include <vector>

#include "ops/reference/element.h"
#include "ops/reference/evaluate.h"
#include "ops/reference/extent.h"
#include "ops/strides.h"

namespace lamina::ops::reference {
namespace {

/// Where one output's gradient goes: f(offset in the input, share).
template <class C, class At, class F>
void spread(const Pool2D& op, const Extent& rows, const Extent& columns, At&& value, F&& add) {
  if (op.kind == Pool2D::Kind::kAverage) {
    const C share = C(1) / static_cast<C>(rows.size() * columns.size());
    for (std::int64_t i = rows.begin; i < rows.end; ++i) {
      for (std::int64_t j = columns.begin; j < columns.end; ++j) add(i, j, share);
    }
    return;
  }
  std::int64_t best_i = rows.begin, best_j = columns.begin;
  for (std::int64_t i = rows.begin; i < rows.end; ++i) {
    for (std::int64_t j = columns.begin; j < columns.end; ++j) {
      if (!(value(best_i, best_j) >= value(i, j))) {
        best_i = i;
        best_j = j;
      }
    }
  }
  if (rows.size() > 0 && columns.size() > 0) add(best_i, best_j, C(1));
}

template <class T>
void pool_gradient(const Pool2D& op, const T* x, const T* dy, T* dx) {
  using C = compute_t<T>;
  const Shape& in = op.x.shape;
  std::vector<C> sums(static_cast<std::size_t>(in.size()), C(0));
  for (std::int64_t k = 0; k < op.y.shape.size(); ++k) {
    const std::int64_t c = k % in[3];
    const std::int64_t w = k / in[3] % op.y.shape[2];
    const std::int64_t h = k / in[3] / op.y.shape[2] % op.y.shape[1];
    const std::int64_t n = k / in[3] / op.y.shape[2] / op.y.shape[1];
    const auto at = [&](std::int64_t i, std::int64_t j) {
      return ((n * in[1] + i) * in[2] + j) * in[3] + c;
    };
    spread<C>(
        op, Extent(op, 0, h), Extent(op, 1, w),
        [&](std::int64_t i, std::int64_t j) { return widen(x[at(i, j)]); },
        [&](std::int64_t i, std::int64_t j, C share) {
          sums[static_cast<std::size_t>(at(i, j))] += share * widen(dy[k]);
        });
  }
  std::transform(sums.begin(), sums.end(), dx, [](C sum) { return narrow<T>(sum); });
}

}  // namespace

void evaluate(const Pool2DGradient& op, const Operands& operands) {
  const bool is_max = op.of.kind == Pool2D::Kind::kMax;
  dispatch_float(op.y.dtype, [&]<class T>(T) {
    pool_gradient(op.of, operands.input<T>(0), operands.input<T>(is_max ? 1 : 0),
                  operands.output<T>());
  });
}

void evaluate(const ReduceGradient& op, const Operands& operands) {
  const AxisSplit split(op.of.x.shape, op.of.axes);
  const bool is_max = op.of.kind == Reduce::Kind::kMax;
  const bool is_mean = op.of.kind == Reduce::Kind::kMean;
  dispatch_float(op.y.dtype, [&]<class T>(T) {
    using C = compute_t<T>;
    const T* x = operands.input<T>(0);
    const T* dy = operands.input<T>(is_max ? 2 : 0);
    T* dx = operands.output<T>();
    std::int64_t k = 0;
    for_each_offset(split.kept_dims, split.kept_strides, [&](std::int64_t base) {
      const auto each = [&](auto f) {
        for_each_offset(split.reduced_dims, split.reduced_strides, f);
      };
      const auto takes_part = [&](std::int64_t at) {
        return !is_max || widen(x[base + at]) == widen(operands.input<T>(1)[k]);
      };
      C count = 0;
      each([&](std::int64_t at) { count += takes_part(at) ? C(1) : C(0); });
      const C share = widen(dy[k]) / (is_max || is_mean ? count : C(1));
      each([&](std::int64_t at) { dx[base + at] = narrow<T>(takes_part(at) ? share : C(0)); });
      ++k;
    });
  });
}

}  // namespace lamina::ops::reference
