#include <cmath>
#include <vector>

#include "ops/reference/element.h"
#include "ops/reference/evaluate.h"
#include "ops/reference/moments.h"
#include "ops/strides.h"

namespace lamina::ops::reference {
namespace {

/// The mean and scale of one normalised group of elements.
template <class T>
struct Group {
  using C = compute_t<T>;
  C mean, scale;
  Group(const LayerNorm& op, const T* x, const AxisSplit& split) {
    const Moments<C> m = moments(x, split, op.rms);
    mean = m.mean;
    scale = C(1) / std::sqrt(m.variance + static_cast<C>(op.epsilon));
  }
};

}  // namespace

void evaluate(const LayerNormGradient& op, const Operands& operands) {
  const AxisSplit split(op.of.x.shape, op.of.axes);
  dispatch_float(op.y.dtype, [&]<class T>(T) {
    using C = compute_t<T>;
    const C count = static_cast<C>(split.reduced_size());
    for_each_offset(split.kept_dims, split.kept_strides, [&](std::int64_t base) {
      const T* x = operands.input<T>(0) + base;
      const T* dy = operands.input<T>(1) + base;
      T* dx = operands.output<T>() + base;
      const Group<T> group(op.of, x, split);
      // With h = dy * gamma: sums of h and of h * (x - mean), as y = (x - mean) * scale * gamma.
      const auto each = [&](auto f) {
        std::int64_t i = 0;
        for_each_offset(split.reduced_dims, split.reduced_strides, [&](std::int64_t at) {
          const C gamma = op.of.scale ? operands.param<C>(0)[i] : C(1);
          f(at, widen(dy[at]) * gamma);
          ++i;
        });
      };
      C sum = 0, weighted = 0;
      each([&](std::int64_t at, C h) {
        sum += h;
        weighted += h * (widen(x[at]) - group.mean);
      });
      const C slope = weighted * group.scale * group.scale * group.scale / count;
      const C shift = op.of.rms ? C(0) : sum * group.scale / count;
      each([&](std::int64_t at, C h) {
        dx[at] = narrow<T>(h * group.scale - shift - slope * (widen(x[at]) - group.mean));
      });
    });
  });
}

void evaluate(const LayerNormSums& op, const Operands& operands) {
  const AxisSplit split(op.of.x.shape, op.of.axes);
  const std::int64_t size = split.reduced_size();
  dispatch_float(op.of.x.dtype, [&]<class T>(T) {
    using C = compute_t<T>;
    C* y = operands.output<C>();
    std::fill_n(y, 2 * size, C(0));
    for_each_offset(split.kept_dims, split.kept_strides, [&](std::int64_t base) {
      const T* x = operands.input<T>(0) + base;
      const T* dy = operands.input<T>(1) + base;
      const Group<T> group(op.of, x, split);
      std::int64_t i = 0;
      for_each_offset(split.reduced_dims, split.reduced_strides, [&](std::int64_t at) {
        y[i] += widen(dy[at]);
        y[size + i] += widen(dy[at]) * (widen(x[at]) - group.mean) * group.scale;
        ++i;
      });
    });
  });
}

void evaluate(const SoftmaxGradient& op, const Operands& operands) {
  const AxisSplit split(op.of.x.shape, op.of.axes);
  dispatch_float(op.y.dtype, [&]<class T>(T) {
    using C = compute_t<T>;
    for_each_offset(split.kept_dims, split.kept_strides, [&](std::int64_t base) {
      const T* y = operands.input<T>(0) + base;
      const T* dy = operands.input<T>(1) + base;
      T* dx = operands.output<T>() + base;
      const auto each = [&](auto f) {
        for_each_offset(split.reduced_dims, split.reduced_strides, f);
      };
      C sum = 0;
      each([&](std::int64_t at) { sum += widen(dy[at]) * (op.of.log ? C(1) : widen(y[at])); });
      each([&](std::int64_t at) {
        const C value = widen(y[at]), d = widen(dy[at]);
        dx[at] = narrow<T>(op.of.log ? d - std::exp(value) * sum : value * (d - sum));
      });
    });
  });
}

}  // namespace lamina::ops::reference
