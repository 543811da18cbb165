#include <cstdint>

#include "core/convert.h"
#include "kernels/draws.h"
#include "ops/dropout_mask.h"
#include "ops/elementwise.h"
#include "ops/reference/element.h"
#include "ops/reference/evaluate.h"
#include "ops/strides.h"

namespace lamina::ops::reference {
namespace {

/// Integer arithmetic wraps, as numpy's does, and floating arithmetic is the functor's.
template <class T>
T apply(Binary kind, T x, T y) {
  return with_binary(kind, [&](auto op) {
    if constexpr (!std::is_integral_v<T>)
      return op(x, y);
    else if (kernels::needs_signs(kind))
      return static_cast<T>(op(x, y));
    else
      return static_cast<T>(op(static_cast<std::uint64_t>(x), static_cast<std::uint64_t>(y)));
  });
}

}  // namespace

void evaluate(const UnaryOp& op, const Operands& operands) {
  dispatch_float(op.y.dtype, [&]<class T>(T) {
    const T* x = operands.input<T>(0);
    T* y = operands.output<T>();
    with_unary<compute_t<T>>(op.activation, [&](auto act) {
      for (std::int64_t i = 0; i < op.y.shape.size(); ++i) y[i] = narrow<T>(act(widen(x[i])));
    });
  });
}

void evaluate(const BinaryOp& op, const Operands& operands) {
  const Strides strides0 = broadcast_strides(op.x0.shape, op.y.shape);
  const Strides strides1 = broadcast_strides(op.x1.shape, op.y.shape);
  dispatch_number(op.y.dtype, [&]<class T>(T) {
    using C = compute_t<T>;
    const T* x0 = operands.input<T>(0);
    const T* x1 = operands.input<T>(1);
    T* y = operands.output<T>();
    std::vector<std::int64_t> offsets;
    offsets.reserve(static_cast<std::size_t>(op.y.shape.size()));
    for_each_offset(op.y.shape.dims(), strides1, [&](std::int64_t at) { offsets.push_back(at); });
    std::size_t i = 0;
    for_each_offset(op.y.shape.dims(), strides0, [&](std::int64_t at) {
      C value = apply<C>(op.kind, widen(x0[at]), widen(x1[offsets[i]]));
      if constexpr (std::is_floating_point_v<C>) {
        value = with_unary<C>(op.activation, [&](auto act) { return act(value); });
      }
      y[i++] = narrow<T>(value);
    });
  });
}

void evaluate(const Cast& op, const Operands& operands) {
  dispatch(op.x.dtype, [&]<class From>(From) {
    dispatch(op.y.dtype, [&]<class To>(To) {
      const From* x = operands.input<From>(0);
      To* y = operands.output<To>();
      for (std::int64_t i = 0; i < op.y.shape.size(); ++i) y[i] = core::convert<From, To>(x[i]);
    });
  });
}

void evaluate(const UnaryGradient& op, const Operands& operands) {
  dispatch_float(op.y.dtype, [&]<class T>(T) {
    using C = compute_t<T>;
    const T* x = operands.input<T>(0);
    const T* dy = operands.input<T>(1);
    T* dx = operands.output<T>();
    const auto run = [&](auto slope) {
      for (std::int64_t i = 0; i < op.y.shape.size(); ++i) {
        dx[i] = narrow<T>(widen(dy[i]) * slope(widen(x[i])));
      }
    };
    if (op.from_output) {
      with_output_derivative<C>(op.of.activation, [&](auto act) {
        run([act](C value) { return act.derivative_from_output(value); });
      });
    } else {
      with_unary<C>(op.of.activation,
                    [&](auto act) { run([act](C value) { return act.derivative(value); }); });
    }
  });
}

void evaluate(const BinaryGradient& op, const Operands& operands) {
  const Strides strides0 = broadcast_strides(op.of.x0.shape, op.y.shape);
  const Strides strides1 = broadcast_strides(op.of.x1.shape, op.y.shape);
  dispatch_float(op.y.dtype, [&]<class T>(T) {
    using C = compute_t<T>;
    std::vector<C> x0, x1;
    for_each_offset(op.y.shape.dims(), strides0,
                    [&](std::int64_t at) { x0.push_back(widen(operands.input<T>(0)[at])); });
    for_each_offset(op.y.shape.dims(), strides1,
                    [&](std::int64_t at) { x1.push_back(widen(operands.input<T>(1)[at])); });
    const T* dy = operands.input<T>(2);
    T* dx = operands.output<T>();
    with_binary(op.of.kind, [&](auto f) {
      for (std::size_t i = 0; i < x0.size(); ++i) {
        const C d = widen(dy[i]);
        dx[i] = narrow<T>(op.operand == 0 ? f.gradient0(x0[i], x1[i], d)
                                          : f.gradient1(x0[i], x1[i], d));
      }
    });
  });
}

void evaluate(const Dropout& op, const Operands& operands) {
  const DropoutMask mask(op, operands.input<std::uint64_t>(1));
  dispatch_float(op.y.dtype, [&]<class T>(T) {
    using C = compute_t<T>;
    const T* x = operands.input<T>(0);
    T* y = operands.output<T>();
    const C scale = static_cast<C>(1 / (1 - op.rate));
    for (std::int64_t i = 0; i < op.y.shape.size(); ++i) {
      y[i] = narrow<T>(mask.keeps(i) ? widen(x[i]) * scale : C(0));
    }
  });
}

void evaluate(const Noise& op, const Operands& operands) {
  const kernels::Draws draws{operands.input<std::uint64_t>(1), op.stream};
  dispatch_float(op.y.dtype, [&]<class T>(T) {
    using C = compute_t<T>;
    const T* x = operands.input<T>(0);
    T* y = operands.output<T>();
    for (std::int64_t i = 0; i < op.y.shape.size(); ++i) {
      const C noise = static_cast<C>(draws.normal(i)) * static_cast<C>(op.stddev);
      y[i] = narrow<T>(kernels::with_noise(widen(x[i]), noise, op.kind == Noise::Kind::kFactor));
    }
  });
}

void evaluate(const ParamValue& op, const Operands& operands) {
  dispatch_float(op.y.dtype, [&]<class T>(T) {
    const compute_t<T>* param = operands.param<compute_t<T>>(0);
    T* y = operands.output<T>();
    for (std::int64_t i = 0; i < op.y.shape.size(); ++i) y[i] = narrow<T>(param[i]);
  });
}

}  // namespace lamina::ops::reference
