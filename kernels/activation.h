// The elementwise operations chosen when they run: one kernel for all of them, and one for those of
// common networks (short_functions.h). The choice is the same for every thread, and these kernels
// wait for memory, not for it.
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
  /// Of each of several, one after another.
  template <int N, class T>
  LAMINA_HOST_DEVICE void values(T (&x)[N]) const {
    rolled(x, [this](T one) { return value(one); });
  }
  /// Likewise the derivatives, in place of the arguments.
  template <int N, class T>
  LAMINA_HOST_DEVICE void derivatives(T (&x)[N]) const {
    rolled(x, [this](T one) { return derivative(one); });
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
template <BinaryKind kind, class Functor, class T>
[[nodiscard]] LAMINA_HOST_DEVICE T apply_functor(T x, T y) {
  if constexpr (!std::is_integral_v<T>) {
    return Functor{}(x, y);
  } else if constexpr (needs_signs(kind)) {
    return static_cast<T>(Functor{}(x, y));
  } else if constexpr (needs_floats(kind)) {
    return T(0);  // refused before it comes here
  } else {
    return static_cast<T>(Functor{}(static_cast<std::uint64_t>(x), static_cast<std::uint64_t>(y)));
  }
}

template <class T>
[[nodiscard]] LAMINA_HOST_DEVICE T apply(BinaryKind kind, T x, T y) {
  switch (kind) {
#define LAMINA_BINARY(enumerator, name, functor) \
  case BinaryKind::enumerator:                   \
    return apply_functor<BinaryKind::enumerator, functor>(x, y);
#include "kernels/elementwise.def"
#undef LAMINA_BINARY
  }
  return x;
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

/// A function of two operands and what follows it.
struct BinaryFunction {
  BinaryKind kind;
  Function function;

  /// In place of the first operands.
  template <int N, class T>
  LAMINA_HOST_DEVICE void values(T (&x)[N], const T (&y)[N]) const {
    for (int k = 0; k < N; ++k) x[k] = apply(kind, x[k], y[k]);
    function.values(x);
  }
  /// Of operand 0 or 1, in place of those of the values.
  template <int N, class T>
  LAMINA_HOST_DEVICE void gradients(bool first, const T (&x)[N], const T (&y)[N], T (&d)[N]) const {
    for (int k = 0; k < N; ++k) d[k] = apply_gradient(kind, first, x[k], y[k], d[k]);
  }
};

}  // namespace lamina::kernels
