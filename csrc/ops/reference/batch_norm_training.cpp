#include <cmath>
#include <vector>

#include "ops/elementwise.h"
#include "ops/params.h"
#include "ops/reference/element.h"
#include "ops/reference/evaluate.h"
#include "ops/reference/moments.h"
#include "ops/strides.h"

namespace lamina::ops::reference {
namespace {

/// The axes of `shape` but one.
std::vector<std::size_t> others(const Shape& shape, std::size_t axis) {
  std::vector<std::size_t> axes;
  for (std::size_t i = 0; i < shape.rank(); ++i) {
    if (i != axis) axes.push_back(i);
  }
  return axes;
}

/// One channel's numbers, and what is made of an element with them.
template <class C>
struct Channel {
  C mean, deviation, gamma = 1, beta = 0;

  Channel(const BatchNormTraining& op, const Operands& operands, std::int64_t c) {
    const ParamIndex at(op.scale, op.center);
    const C* statistics = operands.input<C>(1);
    const std::int64_t size = op.statistics.shape[1];
    mean = statistics[c];
    deviation = std::sqrt(statistics[size + c] + static_cast<C>(op.epsilon));
    if (at.gamma) gamma = operands.param<C>(*at.gamma)[c];
    if (at.beta) beta = operands.param<C>(*at.beta)[c];
  }
  [[nodiscard]] C normalized(C x) const { return (x - mean) / deviation; }
  [[nodiscard]] C scaled(C x) const { return normalized(x) * gamma + beta; }
};

template <class F>
void for_each_channel(const BatchNormTraining& op, F&& f) {
  const AxisSplit split(op.x.shape, others(op.x.shape, op.axis));
  for (std::int64_t c = 0; c < op.x.shape.dims()[op.axis]; ++c) {
    f(c, [&](auto each) {
      for_each_offset(split.reduced_dims, split.reduced_strides,
                      [&](std::int64_t at) { each(c * split.kept_strides[0] + at); });
    });
  }
}

}  // namespace

void evaluate(const BatchNormStatistics& op, const Operands& operands) {
  const AxisSplit split(op.x.shape, others(op.x.shape, op.axis));
  const std::int64_t size = op.x.shape.dims()[op.axis];
  dispatch_float(op.x.dtype, [&]<class T>(T) {
    using C = compute_t<T>;
    C* y = operands.output<C>();
    for (std::int64_t c = 0; c < size; ++c) {
      const Moments<C> m = moments(operands.input<T>(0) + c * split.kept_strides[0], split);
      y[c] = m.mean;
      y[size + c] = m.variance;
    }
  });
}

void evaluate(const BatchNormTraining& op, const Operands& operands) {
  dispatch_float(op.x.dtype, [&]<class T>(T) {
    using C = compute_t<T>;
    const T* x = operands.input<T>(0);
    T* y = operands.output<T>();
    with_unary<C>(op.activation, [&](auto act) {
      for_each_channel(op, [&](std::int64_t c, auto each) {
        const Channel<C> channel(op, operands, c);
        each([&](std::int64_t i) { y[i] = narrow<T>(act(channel.scaled(widen(x[i])))); });
      });
    });
  });
}

void evaluate(const BatchNormSums& op, const Operands& operands) {
  dispatch_float(op.of.x.dtype, [&]<class T>(T) {
    using C = compute_t<T>;
    const T* x = operands.input<T>(0);
    const T* dy = operands.input<T>(2);
    C* y = operands.output<C>();
    with_unary<C>(op.of.activation, [&](auto act) {
      for_each_channel(op.of, [&](std::int64_t c, auto each) {
        const Channel<C> channel(op.of, operands, c);
        C plain = 0, weighted = 0;
        each([&](std::int64_t i) {
          const C dz = widen(dy[i]) * act.derivative(channel.scaled(widen(x[i])));
          plain += dz;
          weighted += dz * channel.normalized(widen(x[i]));
        });
        y[c] = plain;
        y[op.y.shape[1] + c] = weighted;
      });
    });
  });
}

void evaluate(const BatchNormGradient& op, const Operands& operands) {
  const BatchNormTraining& norm = op.of;
  const std::int64_t size = norm.statistics.shape[1];
  dispatch_float(norm.x.dtype, [&]<class T>(T) {
    using C = compute_t<T>;
    const C count = static_cast<C>(norm.x.shape.size() / size);
    const T* x = operands.input<T>(0);
    const T* dy = operands.input<T>(2);
    const C* sums = operands.input<C>(3);
    T* dx = operands.output<T>();
    with_unary<C>(norm.activation, [&](auto act) {
      for_each_channel(norm, [&](std::int64_t c, auto each) {
        const Channel<C> channel(norm, operands, c);
        each([&](std::int64_t i) {
          const C dz = widen(dy[i]) * act.derivative(channel.scaled(widen(x[i])));
          const C n = channel.normalized(widen(x[i]));
          const C centred = dz - sums[c] / count - n * sums[size + c] / count;
          dx[i] = narrow<T>(channel.gamma / channel.deviation * centred);
        });
      });
    });
  });
}

}  // namespace lamina::ops::reference
