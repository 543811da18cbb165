// Those elementwise operations that common networks are made of, in kernels of their own. There all
// elements stay in registers, and there are few of these: the long functions (powers, remainders,
// sines of large angles) cost a kernel both, whichever function it is asked for.
#pragma once
#include "kernels/activation.h"

namespace lamina::kernels {

/// See Function; one of the few that `has` tells.
struct ShortFunction {
  Function function;

  [[nodiscard]] static bool has(UnaryKind kind) {
    return kind == UnaryKind::kLinear || kind == UnaryKind::kRelu || kind == UnaryKind::kSilu ||
           kind == UnaryKind::kSigmoid;
  }
  /// Of each of several; the choice is made once.
  template <int N, class T>
  LAMINA_HOST_DEVICE void values(T (&x)[N]) const {
    choose<T>([&x](const auto& chosen) {
      for (int k = 0; k < N; ++k) x[k] = chosen(x[k]);
    });
  }
  template <int N, class T>
  LAMINA_HOST_DEVICE void derivatives(T (&x)[N]) const {
    choose<T>([&x](const auto& chosen) {
      for (int k = 0; k < N; ++k) x[k] = chosen.derivative(x[k]);
    });
  }
  template <class T>
  [[nodiscard]] LAMINA_HOST_DEVICE T derivative_from_output(T y) const {
    if (function.kind == UnaryKind::kSigmoid) return Sigmoid<T>{}.derivative_from_output(y);
    return function.kind == UnaryKind::kRelu ? relu<T>().derivative_from_output(y) : T(NAN);
  }

 private:
  template <class T>
  [[nodiscard]] LAMINA_HOST_DEVICE Relu<T> relu() const {
    return {T(function.a), T(function.b), T(function.c)};
  }
  template <class T, class F>
  LAMINA_HOST_DEVICE void choose(const F& f) const {
    if (function.kind == UnaryKind::kLinear) return f(Linear<T>{});
    if (function.kind == UnaryKind::kSilu) return f(Silu<T>{});
    if (function.kind == UnaryKind::kSigmoid) return f(Sigmoid<T>{});
    f(relu<T>());
  }
};

/// See BinaryFunction; one that is not long, and a ShortFunction.
struct ShortBinaryFunction {
  BinaryKind kind;
  ShortFunction function;

  [[nodiscard]] static bool has(BinaryKind kind, UnaryKind then) {
    return !is_long(kind) && ShortFunction::has(then);
  }
  template <int N, class T>
  LAMINA_HOST_DEVICE void values(T (&x)[N], const T (&y)[N]) const {
    switch (kind) {
#define LAMINA_BINARY(enumerator, name, functor)                           \
  case BinaryKind::enumerator:                                             \
    if constexpr (!is_long(BinaryKind::enumerator)) {                      \
      for (int k = 0; k < N; ++k) {                                        \
        x[k] = apply_functor<BinaryKind::enumerator, functor>(x[k], y[k]); \
      }                                                                    \
    }                                                                      \
    break;
#include "kernels/elementwise.def"
#undef LAMINA_BINARY
    }
    if constexpr (std::is_floating_point_v<T>) function.values(x);
  }
  template <int N, class T>
  LAMINA_HOST_DEVICE void gradients(bool first, const T (&x)[N], const T (&y)[N], T (&d)[N]) const {
    switch (kind) {
#define LAMINA_BINARY(enumerator, name, functor)                                                   \
  case BinaryKind::enumerator:                                                                     \
    if constexpr (!is_long(BinaryKind::enumerator)) {                                              \
      for (int k = 0; k < N; ++k) {                                                                \
        d[k] =                                                                                     \
            first ? functor{}.gradient0(x[k], y[k], d[k]) : functor{}.gradient1(x[k], y[k], d[k]); \
      }                                                                                            \
    }                                                                                              \
    break;
#include "kernels/elementwise.def"
#undef LAMINA_BINARY
    }
  }
};

/// Calls f(function), of the short kind where it is of that.
template <class F>
void dispatch_function(const Function& function, const F& f) {
  if (ShortFunction::has(function.kind)) {
    f(ShortFunction{function});
  } else {
    f(function);
  }
}
template <class F>
void dispatch_function(const BinaryFunction& function, const F& f) {
  if (ShortBinaryFunction::has(function.kind, function.function.kind)) {
    f(ShortBinaryFunction{function.kind, {function.function}});
  } else {
    f(function);
  }
}

}  // namespace lamina::kernels
