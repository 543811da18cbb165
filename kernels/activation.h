// The elementwise operations chosen when they run: one kernel for all of them. The choice is the
// same for every thread, and these kernels wait for memory, not for it.
#pragma once
#include <cstdint>

#include "kernels/element.h"
#include "kernels/elementwise.h"
#include "kernels/elementwise_kinds.h"

namespace lamina::kernels {

/// An elementwise function and its parameters.
struct Function {
  UnaryKind kind = UnaryKind::kLinear;
  double a = 0, b = 0, c = 0;

  template <class T>
  [[nodiscard]] LAMINA_HOST_DEVICE T value(T x) const {
    switch (kind) {
#define LAMINA_UNARY(enumerator, name, functor) \
  case UnaryKind::enumerator:                   \
    return functor<T>{T(a), T(b), T(c)}(x);
#include "kernels/elementwise.def"
#undef LAMINA_UNARY
    }
    return x;
  }
  template <class T>
  [[nodiscard]] LAMINA_HOST_DEVICE T derivative(T x) const {
    switch (kind) {
#define LAMINA_UNARY(enumerator, name, functor) \
  case UnaryKind::enumerator:                   \
    return functor<T>{T(a), T(b), T(c)}.derivative(x);
#include "kernels/elementwise.def"
#undef LAMINA_UNARY
    }
    return x;
  }
  /// Of each of several; the choice is made once. Those of common networks keep to registers.
  template <int N, class T>
  LAMINA_HOST_DEVICE void values(T (&x)[N]) const {
    switch (kind) {
      case UnaryKind::kLinear:
        return;
      case UnaryKind::kRelu:
        return each(x, Relu<T>{T(a), T(b), T(c)});
      case UnaryKind::kSilu:
        return each(x, Silu<T>{});
      case UnaryKind::kSigmoid:
        return each(x, Sigmoid<T>{});
      default:
        rolled(x, [this](T one) { return value(one); });
    }
  }
  /// Likewise the derivatives, in place of the arguments.
  template <int N, class T>
  LAMINA_HOST_DEVICE void derivatives(T (&x)[N]) const {
    const auto slope = [](const auto& function) {
      return [function](T one) { return function.derivative(one); };
    };
    switch (kind) {
      case UnaryKind::kLinear:
        return each(x, slope(Linear<T>{}));
      case UnaryKind::kRelu:
        return each(x, slope(Relu<T>{T(a), T(b), T(c)}));
      case UnaryKind::kSilu:
        return each(x, slope(Silu<T>{}));
      case UnaryKind::kSigmoid:
        return each(x, slope(Sigmoid<T>{}));
      default:
        rolled(x, [this](T one) { return derivative(one); });
    }
  }
  /// act'(x) from y = act(x), for the functions that allow it. NaN for others, which are refused
  /// before they come here.
  template <class T>
  [[nodiscard]] LAMINA_HOST_DEVICE T derivative_from_output(T y) const {
    switch (kind) {
#define LAMINA_UNARY(enumerator, name, functor)                      \
  case UnaryKind::enumerator:                                        \
    if constexpr (HasOutputDerivative<functor<T>>) {                 \
      return functor<T>{T(a), T(b), T(c)}.derivative_from_output(y); \
    } else {                                                         \
      break;                                                         \
    }
#include "kernels/elementwise.def"
#undef LAMINA_UNARY
    }
    return T(NAN);
  }

 private:
  template <int N, class T, class F>
  static LAMINA_HOST_DEVICE void each(T (&x)[N], const F& f) {
    for (int k = 0; k < N; ++k) x[k] = f(x[k]);
  }
  /// One copy of a long function, whose argument lies in memory for that.
  template <int N, class T, class F>
  static LAMINA_HOST_DEVICE void rolled(T (&x)[N], const F& f) {
    T in_memory[N];
    for (int k = 0; k < N; ++k) in_memory[k] = x[k];
#if defined(__CUDA_ARCH__)
#pragma unroll 1
#endif
    for (int k = 0; k < N; ++k) in_memory[k] = f(in_memory[k]);
    for (int k = 0; k < N; ++k) x[k] = in_memory[k];
  }
};

/// Integers wrap, as numpy's do.
template <class T>
[[nodiscard]] LAMINA_HOST_DEVICE T apply(BinaryKind kind, T x, T y) {
  switch (kind) {
#define LAMINA_BINARY(enumerator, name, functor)                                    \
  case BinaryKind::enumerator:                                                      \
    if constexpr (!std::is_integral_v<T>) {                                         \
      return functor{}(x, y);                                                       \
    } else if constexpr (needs_signs(BinaryKind::enumerator)) {                     \
      return static_cast<T>(functor{}(x, y));                                       \
    } else if constexpr (needs_floats(BinaryKind::enumerator)) {                    \
      return T(0); /* refused before it comes here */                               \
    } else {                                                                        \
      return static_cast<T>(                                                        \
          functor{}(static_cast<std::uint64_t>(x), static_cast<std::uint64_t>(y))); \
    }
#include "kernels/elementwise.def"
#undef LAMINA_BINARY
  }
  return x;
}

/// In place of the first operands; the choice is made once.
template <int N, class T>
LAMINA_HOST_DEVICE void apply_each(BinaryKind kind, T (&x)[N], const T (&y)[N]) {
  if constexpr (!std::is_integral_v<T>) {
    if (kind == BinaryKind::kAdd) {
      for (int k = 0; k < N; ++k) x[k] = x[k] + y[k];
      return;
    }
    if (kind == BinaryKind::kMultiply) {
      for (int k = 0; k < N; ++k) x[k] = x[k] * y[k];
      return;
    }
  }
  for (int k = 0; k < N; ++k) x[k] = apply(kind, x[k], y[k]);
}

/// With d the gradient of the value: that of operand 0 or 1.
template <class T>
[[nodiscard]] LAMINA_HOST_DEVICE T apply_gradient(BinaryKind kind, bool first, T x, T y, T d) {
  switch (kind) {
#define LAMINA_BINARY(enumerator, name, functor) \
  case BinaryKind::enumerator:                   \
    return first ? functor{}.gradient0(x, y, d) : functor{}.gradient1(x, y, d);
#include "kernels/elementwise.def"
#undef LAMINA_BINARY
  }
  return d;
}

}  // namespace lamina::kernels
