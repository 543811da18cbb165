// The elementwise operations chosen when they run: one kernel for all of them. The choice is the
// same for every thread, and these kernels wait for memory, not for it.
#pragma once
#include <cstdint>

#include "kernels/element.h"
#include "kernels/elementwise.h"

namespace lamina::kernels {

enum class UnaryKind : std::uint8_t {
#define LAMINA_UNARY(enumerator, name, functor) enumerator,
#include "kernels/elementwise.def"
#undef LAMINA_UNARY
};

enum class BinaryKind : std::uint8_t {
#define LAMINA_BINARY(enumerator, name, functor) enumerator,
#include "kernels/elementwise.def"
#undef LAMINA_BINARY
};

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
  /// act'(x) from y = act(x), for the functions that allow it.
  template <class T>
  [[nodiscard]] LAMINA_HOST_DEVICE T derivative_from_output(T y) const {
    switch (kind) {
      case UnaryKind::kSigmoid:
        return SigmoidSlope<T>{}(y);
      case UnaryKind::kTanh:
        return TanhSlope<T>{}(y);
      case UnaryKind::kExponential:
        return ExponentialSlope<T>{}(y);
      case UnaryKind::kElu:
        return EluSlope<T>{T(a), T(b), T(0)}(y);
      default:
        return ReluSlope<T>{T(a), T(b), T(0)}(y);
    }
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
    } else if constexpr (BinaryKind::enumerator == BinaryKind::kMaximum ||          \
                         BinaryKind::enumerator == BinaryKind::kMinimum) {          \
      return static_cast<T>(functor{}(x, y));                                       \
    } else if constexpr (BinaryKind::enumerator == BinaryKind::kDivide) {           \
      return T(0); /* refused before it comes here: integers have no division */    \
    } else {                                                                        \
      return static_cast<T>(                                                        \
          functor{}(static_cast<std::uint64_t>(x), static_cast<std::uint64_t>(y))); \
    }
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

}  // namespace lamina::kernels
