#include <algorithm>
#include <cmath>
#include <limits>

#include "ops/elementwise.h"
#include "ops/params.h"
#include "ops/reference/element.h"
#include "ops/reference/evaluate.h"
#include "ops/reference/moments.h"
#include "ops/strides.h"

namespace lamina::ops::reference {

void evaluate(const BatchNorm& op, const Operands& operands) {
  const ParamIndex at(op.scale, op.center);
  const std::int64_t axis = static_cast<std::int64_t>(op.axis);
  const std::int64_t stride = row_major(op.x.shape)[op.axis];
  dispatch_float(op.y.dtype, [&]<class T>(T) {
    using C = compute_t<T>;
    const T* x = operands.input<T>(0);
    const C* mean = operands.param<C>(at.next);
    const C* variance = operands.param<C>(at.next + 1);
    T* y = operands.output<T>();
    with_unary<C>(op.activation, [&](auto act) {
      for (std::int64_t i = 0; i < op.y.shape.size(); ++i) {
        const std::int64_t c = i / stride % op.x.shape[axis];
        C value = (widen(x[i]) - mean[c]) / std::sqrt(variance[c] + static_cast<C>(op.epsilon));
        if (at.gamma) value *= operands.param<C>(*at.gamma)[c];
        if (at.beta) value += operands.param<C>(*at.beta)[c];
        y[i] = narrow<T>(act(value));
      }
    });
  });
}

void evaluate(const LayerNorm& op, const Operands& operands) {
  const AxisSplit split(op.x.shape, op.axes);
  const ParamIndex at(op.scale, op.center);
  dispatch_float(op.y.dtype, [&]<class T>(T) {
    using C = compute_t<T>;
    for_each_offset(split.kept_dims, split.kept_strides, [&](std::int64_t base) {
      const T* x = operands.input<T>(0) + base;
      T* y = operands.output<T>() + base;
      const Moments<C> m = moments(x, split, op.rms);
      const C scale = C(1) / std::sqrt(m.variance + static_cast<C>(op.epsilon));
      std::int64_t i = 0;
      for_each_offset(split.reduced_dims, split.reduced_strides, [&](std::int64_t offset) {
        C value = (widen(x[offset]) - m.mean) * scale;
        if (at.gamma) value *= operands.param<C>(*at.gamma)[i];
        if (at.beta) value += operands.param<C>(*at.beta)[i];
        y[offset] = narrow<T>(value);
        ++i;
      });
    });
  });
}

void evaluate(const Softmax& op, const Operands& operands) {
  const AxisSplit split(op.x.shape, op.axes);
  dispatch_float(op.y.dtype, [&]<class T>(T) {
    using C = compute_t<T>;
    for_each_offset(split.kept_dims, split.kept_strides, [&](std::int64_t base) {
      const T* x = operands.input<T>(0) + base;
      T* y = operands.output<T>() + base;
      const auto each = [&](auto f) {
        for_each_offset(split.reduced_dims, split.reduced_strides, f);
      };
      C largest = -std::numeric_limits<C>::infinity();
      each([&](std::int64_t at) { largest = std::max(largest, widen(x[at])); });
      C sum = 0;
      each([&](std::int64_t at) { sum += std::exp(widen(x[at]) - largest); });
      each([&](std::int64_t at) {
        const C shifted = widen(x[at]) - largest;
        y[at] = narrow<T>(op.log ? shifted - std::log(sum) : std::exp(shifted) / sum);
      });
    });
  });
}

}  // namespace lamina::ops::reference
