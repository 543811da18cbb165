// Bodies of the elementwise operations, shared by the CUDA kernels and the CPU backend, so that
// their arithmetic is tested where there is no GPU. T is float or double; narrower types are
// widened by the caller. `a`, `b`, `c` are the parameters of the operation (see each).
#pragma once
#include <cmath>
#include <limits>
#include <type_traits>

#include "kernels/host_device.h"

namespace lamina::kernels {

/// A function and its derivative, each as an expression in x. Some, written out below, have the
/// derivative from the value y alone too, so that what they received need not be kept;
/// `from_output` says whether that is exact enough with these parameters.
#define LAMINA_UNARY_FUNCTOR(Name, expression, slope)                             \
  template <class T>                                                              \
  struct Name {                                                                   \
    T a, b, c;                                                                    \
    LAMINA_HOST_DEVICE T operator()(T x) const { return expression; }             \
    LAMINA_HOST_DEVICE T derivative([[maybe_unused]] T x) const { return slope; } \
  };

template <class T>
LAMINA_HOST_DEVICE inline T stable_sigmoid(T x) {
  // exp of a non-positive number only: no overflow on either side.
#if defined(__CUDA_ARCH__)
  if constexpr (sizeof(T) == sizeof(float)) {  // off by |x| units in the last place or so
    const float e = __expf(x < T(0) ? x : -x);
    return __fdividef(x < T(0) ? e : 1.0F, 1.0F + e);
  }
#endif
  const T e = std::exp(x < T(0) ? x : -x);
  return x < T(0) ? e / (T(1) + e) : T(1) / (T(1) + e);
}

template <class T>
LAMINA_HOST_DEVICE inline T stable_softplus(T x) {
  return (x > T(0) ? x : T(0)) + std::log1p(std::exp(x < T(0) ? x : -x));
}

template <class T>
LAMINA_HOST_DEVICE inline T clip01(T x) {
  return x < T(0) ? T(0) : (x > T(1) ? T(1) : x);
}

LAMINA_UNARY_FUNCTOR(Linear, x, T(1))

/// keras.layers.ReLU: a = negative_slope, b = max_value (infinity for none), c = threshold.
template <class T>
struct Relu {
  T a, b, c;
  LAMINA_HOST_DEVICE T operator()(T x) const {
    // A slope of 0 gives 0 for minus infinity too, and NaN stays NaN.
    const T below = a == T(0) && x == x ? T(0) : a * (x - c);
    const T y = x > c ? x : below;
    return y > b ? b : y;
  }
  LAMINA_HOST_DEVICE T derivative(T x) const {
    return x > c ? (x > b ? T(0) : T(1)) : (x == c ? at_kink() : a);
  }
  [[nodiscard]] bool from_output() const { return a >= T(0) && b > T(0) && c == T(0); }
  LAMINA_HOST_DEVICE T derivative_from_output(T y) const {
    return y > T(0) ? (y < b ? T(1) : T(0)) : (y == T(0) && a != T(0) ? at_kink() : a);
  }
  /// Keras's leaky_relu is x from 0 on; all else is made of two halves, each flat where they meet.
  LAMINA_HOST_DEVICE T at_kink() const {
    return a != T(0) && c == T(0) && b == std::numeric_limits<T>::infinity() ? T(1) : T(0);
  }
};

template <class T>
LAMINA_HOST_DEVICE inline T silu_derivative(T x) {
  const T s = stable_sigmoid(x);
  return s * (T(1) + x * (T(1) - s));
}

/// The argument of the tanh in the approximation of gelu.
template <class T>
LAMINA_HOST_DEVICE inline T gelu_inner(T x) {
  return T(0.79788456080286535588) * (x + T(0.044715) * x * x * x);
}

template <class T>
LAMINA_HOST_DEVICE inline T gelu_tanh_derivative(T x) {
  const T t = std::tanh(gelu_inner(x));
  const T inner = T(0.79788456080286535588) * (T(1) + T(3 * 0.044715) * x * x);
  return T(0.5) * (T(1) + t + x * (T(1) - t * t) * inner);
}

template <class T>
LAMINA_HOST_DEVICE inline T mish_derivative(T x) {
  const T t = std::tanh(stable_softplus(x));
  return t + x * (T(1) - t * t) * stable_sigmoid(x);
}

template <class T>
LAMINA_HOST_DEVICE inline T square(T x) {
  return x * x;
}

/// The sine of pi x, divided by pi x.
template <class T>
LAMINA_HOST_DEVICE inline T sinc(T x) {
  const T angle = T(3.14159265358979323846) * x;
  return angle == T(0) ? T(1) : std::sin(angle) / angle;
}
/// Its derivative. Near 0, where two terms that are nearly alike would be subtracted, by its
/// series.
template <class T>
LAMINA_HOST_DEVICE inline T sinc_derivative(T x) {
  const T pi = T(3.14159265358979323846), angle = pi * x;
  if (std::fabs(angle) < T(0.5)) {
    const T s = angle * angle;
    const T high = T(1.0 / 45360) + s * (T(-1.0 / 3991680) + s * T(1.0 / 518918400));
    return pi * angle * (T(-1.0 / 3) + s * (T(1.0 / 30) + s * (T(-1.0 / 840) + s * high)));
  }
  return (std::cos(angle) - std::sin(angle) / angle) / x;
}

/// The derivative of clip01(x / 6 + 1/2).
template <class T>
LAMINA_HOST_DEVICE inline T hard_sigmoid_derivative(T x) {
  return x > T(-3) && x < T(3) ? T(1) / T(6) : T(0);
}

LAMINA_UNARY_FUNCTOR(Silu, x* stable_sigmoid(x), silu_derivative(x))
LAMINA_UNARY_FUNCTOR(Gelu, T(0.5) * x * std::erfc(-x * T(0.70710678118654752440)),
                     T(0.5) * std::erfc(-x * T(0.70710678118654752440)) +
                         x * T(0.39894228040143267794) * std::exp(T(-0.5) * x * x))
LAMINA_UNARY_FUNCTOR(GeluTanh, T(0.5) * x * (T(1) + std::tanh(gelu_inner(x))),
                     gelu_tanh_derivative(x))
LAMINA_UNARY_FUNCTOR(HardSigmoid, clip01(x / T(6) + T(0.5)), hard_sigmoid_derivative(x))
LAMINA_UNARY_FUNCTOR(HardSilu, x* clip01(x / T(6) + T(0.5)),
                     clip01(x / T(6) + T(0.5)) + x * hard_sigmoid_derivative(x))
LAMINA_UNARY_FUNCTOR(
    Selu, T(1.05070098735548049342) * (x > T(0) ? x : T(1.67326324235437728482) * std::expm1(x)),
    T(1.05070098735548049342) * (x > T(0) ? T(1) : T(1.67326324235437728482) * std::exp(x)))
LAMINA_UNARY_FUNCTOR(Softplus, stable_softplus(x), stable_sigmoid(x))
LAMINA_UNARY_FUNCTOR(Softsign, x / (T(1) + std::fabs(x)), T(1) / square(T(1) + std::fabs(x)))
LAMINA_UNARY_FUNCTOR(Mish, x* std::tanh(stable_softplus(x)), mish_derivative(x))
/// keras.layers.Rescaling: x * a + b
LAMINA_UNARY_FUNCTOR(ScaleShift, x* a + b, a)
/// Of a variance, by which is divided: a is the epsilon.
LAMINA_UNARY_FUNCTOR(InverseRoot, T(1) / std::sqrt(std::fabs(x) + a),
                     (x < T(0) ? T(0.5) : T(-0.5)) /
                         ((std::fabs(x) + a) * std::sqrt(std::fabs(x) + a)))
LAMINA_UNARY_FUNCTOR(Absolute, std::fabs(x), x > T(0) ? T(1) : (x < T(0) ? T(-1) : T(0)))
LAMINA_UNARY_FUNCTOR(Square, x* x, T(2) * x)
LAMINA_UNARY_FUNCTOR(Sin, std::sin(x), std::cos(x))
LAMINA_UNARY_FUNCTOR(Cos, std::cos(x), -std::sin(x))
LAMINA_UNARY_FUNCTOR(Expm1, std::expm1(x), std::exp(x))
// NaN where there is no such number.
LAMINA_UNARY_FUNCTOR(Log, std::log(x), T(1) / x)
LAMINA_UNARY_FUNCTOR(Log1p, std::log1p(x), T(1) / (T(1) + x))
LAMINA_UNARY_FUNCTOR(Sqrt, std::sqrt(x), T(0.5) / std::sqrt(x))
LAMINA_UNARY_FUNCTOR(Rsqrt, T(1) / std::sqrt(x), T(-0.5) / (x * std::sqrt(x)))
/// a = the exponent
LAMINA_UNARY_FUNCTOR(Power, std::pow(x, a), a == T(0) ? T(0) : a * std::pow(x, a - T(1)))
LAMINA_UNARY_FUNCTOR(Erf, std::erf(x), T(1.12837916709551257390) * std::exp(-x * x))
LAMINA_UNARY_FUNCTOR(Tan, std::tan(x), T(1) + square(std::tan(x)))
LAMINA_UNARY_FUNCTOR(Arctan, std::atan(x), T(1) / (T(1) + x * x))
LAMINA_UNARY_FUNCTOR(Sinh, std::sinh(x), std::cosh(x))
LAMINA_UNARY_FUNCTOR(Cosh, std::cosh(x), std::sinh(x))
// Steps, flat everywhere to Keras. What is halfway goes to the even neighbour.
LAMINA_UNARY_FUNCTOR(Floor, std::floor(x), T(0))
LAMINA_UNARY_FUNCTOR(Ceil, std::ceil(x), T(0))
LAMINA_UNARY_FUNCTOR(Round, std::rint(x), T(0))
LAMINA_UNARY_FUNCTOR(Sign, x > T(0) ? T(1) : (x < T(0) ? T(-1) : x), T(0))
LAMINA_UNARY_FUNCTOR(StopGradient, x, T(0))
LAMINA_UNARY_FUNCTOR(Signbit, std::signbit(x) ? T(1) : T(0), T(0))
// NaN outside of [-1, 1], below 1, and outside of [-1, 1] again.
LAMINA_UNARY_FUNCTOR(Arcsin, std::asin(x), T(1) / std::sqrt(T(1) - x * x))
LAMINA_UNARY_FUNCTOR(Arccos, std::acos(x), T(-1) / std::sqrt(T(1) - x * x))
LAMINA_UNARY_FUNCTOR(Arcsinh, std::asinh(x), T(1) / std::sqrt(x * x + T(1)))
LAMINA_UNARY_FUNCTOR(Arccosh, std::acosh(x), T(1) / std::sqrt(x * x - T(1)))
LAMINA_UNARY_FUNCTOR(Arctanh, std::atanh(x), T(1) / ((T(1) + x) * (T(1) - x)))
LAMINA_UNARY_FUNCTOR(Cbrt, std::cbrt(x), T(1) / (T(3) * square(std::cbrt(x))))
LAMINA_UNARY_FUNCTOR(Exp2, std::exp2(x), T(0.69314718055994530942) * std::exp2(x))
LAMINA_UNARY_FUNCTOR(Erfc, std::erfc(x), T(-1.12837916709551257390) * std::exp(-x * x))
LAMINA_UNARY_FUNCTOR(Sinc, sinc(x), sinc_derivative(x))
#undef LAMINA_UNARY_FUNCTOR

template <class T>
struct Sigmoid {
  T a, b, c;
  LAMINA_HOST_DEVICE T operator()(T x) const { return stable_sigmoid(x); }
  LAMINA_HOST_DEVICE T derivative(T x) const { return stable_sigmoid(x) * stable_sigmoid(-x); }
  [[nodiscard]] bool from_output() const { return true; }
  LAMINA_HOST_DEVICE T derivative_from_output(T y) const { return y * (T(1) - y); }
};

template <class T>
struct Tanh {
  T a, b, c;
  LAMINA_HOST_DEVICE T operator()(T x) const { return std::tanh(x); }
  LAMINA_HOST_DEVICE T derivative(T x) const { return T(1) - square(std::tanh(x)); }
  [[nodiscard]] bool from_output() const { return true; }
  LAMINA_HOST_DEVICE T derivative_from_output(T y) const { return T(1) - y * y; }
};

template <class T>
struct Exponential {
  T a, b, c;
  LAMINA_HOST_DEVICE T operator()(T x) const { return std::exp(x); }
  LAMINA_HOST_DEVICE T derivative(T x) const { return std::exp(x); }
  [[nodiscard]] bool from_output() const { return true; }
  LAMINA_HOST_DEVICE T derivative_from_output(T y) const { return y; }
};

/// a = alpha
template <class T>
struct Elu {
  T a, b, c;
  LAMINA_HOST_DEVICE T operator()(T x) const { return x > T(0) ? x : a * std::expm1(x); }
  LAMINA_HOST_DEVICE T derivative(T x) const { return x > T(0) ? T(1) : a * std::exp(x); }
  [[nodiscard]] bool from_output() const { return a >= T(0); }
  LAMINA_HOST_DEVICE T derivative_from_output(T y) const { return y > T(0) ? T(1) : y + a; }
};

template <class Functor>
concept HasOutputDerivative = requires(const Functor& act) {
  act.from_output();
};

// Functions of floats alone: integers are refused before they come here.
template <class T>
LAMINA_HOST_DEVICE inline T power([[maybe_unused]] T x, [[maybe_unused]] T y) {
  if constexpr (std::is_floating_point_v<T>) {
    return std::pow(x, y);
  } else {
    return T(0);
  }
}
/// Its derivatives with respect to x and to y, each 0 where one factor is 0 and the other infinite.
template <class T>
LAMINA_HOST_DEVICE inline T power_by_base(T x, T y) {
  return y == T(0) ? T(0) : y * power(x, y - T(1));
}
template <class T>
LAMINA_HOST_DEVICE inline T power_by_exponent(T x, T y) {
  return x == T(0) ? T(0) : std::log(x) * power(x, y);
}

/// What is left of x by y, with the sign of y, as Python has it.
template <class T>
LAMINA_HOST_DEVICE inline T modulo([[maybe_unused]] T x, [[maybe_unused]] T y) {
  if constexpr (std::is_floating_point_v<T>) {
    const T left = std::fmod(x, y);
    return left != T(0) && (left < T(0)) != (y < T(0)) ? left + y : left;
  } else {
    return T(0);
  }
}
/// How often y goes into x, downwards; infinitely often where y is 0. What is left is taken off
/// before: x / y may be rounded up to the next whole number.
template <class T>
LAMINA_HOST_DEVICE inline T floor_quotient([[maybe_unused]] T x, [[maybe_unused]] T y) {
  if constexpr (std::is_floating_point_v<T>) {
    if (y == T(0)) return x / y;
    const T left = std::fmod(x, y), whole = (x - left) / y;
    return std::round(left != T(0) && (left < T(0)) != (y < T(0)) ? whole - T(1) : whole);
  } else {
    return T(0);
  }
}

/// What is left of x by y, with the sign of x, as C has it.
template <class T>
LAMINA_HOST_DEVICE inline T remainder([[maybe_unused]] T x, [[maybe_unused]] T y) {
  if constexpr (std::is_floating_point_v<T>) {
    return std::fmod(x, y);
  } else {
    return T(0);
  }
}
template <class T>
LAMINA_HOST_DEVICE inline T arctan2([[maybe_unused]] T x, [[maybe_unused]] T y) {
  if constexpr (std::is_floating_point_v<T>) {
    return std::atan2(x, y);
  } else {
    return T(0);
  }
}
template <class T>
LAMINA_HOST_DEVICE inline T hypot([[maybe_unused]] T x, [[maybe_unused]] T y) {
  if constexpr (std::is_floating_point_v<T>) {
    return std::hypot(x, y);
  } else {
    return T(0);
  }
}
/// Its derivative with respect to x; 0 where both are 0.
template <class T>
LAMINA_HOST_DEVICE inline T hypot_slope(T x, T y) {
  const T length = hypot(x, y);
  return length == T(0) ? T(0) : x / length;
}
/// The logarithm of the sum of exponentials. Equal ones may be infinite.
template <class T>
LAMINA_HOST_DEVICE inline T logaddexp([[maybe_unused]] T x, [[maybe_unused]] T y) {
  if constexpr (std::is_floating_point_v<T>) {
    if (x == y) return x + T(0.69314718055994530942);
    return (x > y ? x : y) + std::log1p(std::exp(-std::fabs(x - y)));
  } else {
    return T(0);
  }
}
/// Its derivative with respect to x: x's share of the sum. Equal ones have half of it each.
template <class T>
LAMINA_HOST_DEVICE inline T logaddexp_share(T x, T y) {
  return x == y ? T(0.5) : stable_sigmoid(x - y);
}

/// A function of two operands and, with d the gradient with respect to its value, the gradients
/// with respect to each operand.
#define LAMINA_BINARY_FUNCTOR(Name, expression, slope0, slope1)                \
  struct Name {                                                                \
    template <class T>                                                         \
    LAMINA_HOST_DEVICE T operator()(T x, T y) const {                          \
      return expression;                                                       \
    }                                                                          \
    template <class T>                                                         \
    LAMINA_HOST_DEVICE T gradient0([[maybe_unused]] T x, [[maybe_unused]] T y, \
                                   [[maybe_unused]] T d) const {               \
      return slope0;                                                           \
    }                                                                          \
    template <class T>                                                         \
    LAMINA_HOST_DEVICE T gradient1([[maybe_unused]] T x, [[maybe_unused]] T y, \
                                   [[maybe_unused]] T d) const {               \
      return slope1;                                                           \
    }                                                                          \
  };
LAMINA_BINARY_FUNCTOR(AddOp, x + y, d, d)
LAMINA_BINARY_FUNCTOR(SubtractOp, x - y, d, -d)
LAMINA_BINARY_FUNCTOR(MultiplyOp, x* y, d* y, d* x)
LAMINA_BINARY_FUNCTOR(DivideOp, x / y, d / y, -d* x / (y * y))
// NaN in either operand gives NaN, as numpy's and XLA's maximum do. Equal operands share the
// gradient, as XLA has it.
LAMINA_BINARY_FUNCTOR(MaximumOp, (x != x || x > y) ? x : y, x > y ? d : (x == y ? d / T(2) : T(0)),
                      x < y ? d : (x == y ? d / T(2) : T(0)))
LAMINA_BINARY_FUNCTOR(MinimumOp, (x != x || x < y) ? x : y,
                      x<y ? d : (x == y ? d / T(2) : T(0)), x> y ? d : (x == y ? d / T(2) : T(0)))
// x where the mask y is not 0, else 0, whatever x is there. A mask has no gradient.
LAMINA_BINARY_FUNCTOR(KeepOp, y != T(0) ? x : T(0), y != T(0) ? d : T(0), T(0))
// 1 where it is so, else 0; nothing is so of NaN.
LAMINA_BINARY_FUNCTOR(EqualOp, x == y ? T(1) : T(0), T(0), T(0))
LAMINA_BINARY_FUNCTOR(GreaterOp, x > y ? T(1) : T(0), T(0), T(0))
LAMINA_BINARY_FUNCTOR(GreaterEqualOp, x >= y ? T(1) : T(0), T(0), T(0))
LAMINA_BINARY_FUNCTOR(PowerOp, power(x, y), d* power_by_base(x, y), d* power_by_exponent(x, y))
LAMINA_BINARY_FUNCTOR(FloorDivideOp, floor_quotient(x, y), T(0), T(0))
LAMINA_BINARY_FUNCTOR(ModOp, modulo(x, y), d, -d* floor_quotient(x, y))
LAMINA_BINARY_FUNCTOR(FmodOp, remainder(x, y), d, -d* std::trunc(x / y))
LAMINA_BINARY_FUNCTOR(Arctan2Op, arctan2(x, y), d* y / (x * x + y * y), -d* x / (x * x + y * y))
LAMINA_BINARY_FUNCTOR(HypotOp, hypot(x, y), d* hypot_slope(x, y), d* hypot_slope(y, x))
LAMINA_BINARY_FUNCTOR(LogaddexpOp, logaddexp(x, y), d* logaddexp_share(x, y),
                      d* logaddexp_share(y, x))
// 0 or 1 on either side of 0, and y there; NaN stays.
LAMINA_BINARY_FUNCTOR(HeavisideOp, x < T(0) ? T(0) : (x > T(0) ? T(1) : (x == T(0) ? y : x)), T(0),
                      x == T(0) ? d : T(0))
// Of NaN and a number the number. Equal ones are y, which has the gradient.
LAMINA_BINARY_FUNCTOR(FmaxOp, (x > y || y != y) ? x : y, (x > y || y != y) ? d : T(0),
                      (x > y || y != y) ? T(0) : d)
LAMINA_BINARY_FUNCTOR(FminOp, (x < y || y != y) ? x : y, (x < y || y != y) ? d : T(0),
                      (x < y || y != y) ? T(0) : d)
#undef LAMINA_BINARY_FUNCTOR

}  // namespace lamina::kernels
