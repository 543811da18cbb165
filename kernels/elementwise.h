// Bodies of the elementwise operations, shared by the CUDA kernels and the CPU backend, so that
// their arithmetic is tested where there is no GPU. T is float or double; narrower types are
// widened by the caller. `a`, `b`, `c` are the parameters of the operation (see each).
#pragma once
#include <cmath>

#if defined(__CUDACC__)
#define LAMINA_HOST_DEVICE __host__ __device__
#else
#define LAMINA_HOST_DEVICE
#endif

namespace lamina::kernels {

#define LAMINA_UNARY_FUNCTOR(Name, expression)                        \
  template <class T>                                                  \
  struct Name {                                                       \
    T a, b, c;                                                        \
    LAMINA_HOST_DEVICE T operator()(T x) const { return expression; } \
  };

template <class T>
LAMINA_HOST_DEVICE inline T stable_sigmoid(T x) {
  // exp of a non-positive number only: no overflow on either side.
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

LAMINA_UNARY_FUNCTOR(Linear, x)

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
};

LAMINA_UNARY_FUNCTOR(Silu, x* stable_sigmoid(x))
LAMINA_UNARY_FUNCTOR(Gelu, T(0.5) * x * std::erfc(-x * T(0.70710678118654752440)))
LAMINA_UNARY_FUNCTOR(GeluTanh, T(0.5) * x *
                                   (T(1) + std::tanh(T(0.79788456080286535588) *
                                                     (x + T(0.044715) * x * x * x))))
LAMINA_UNARY_FUNCTOR(Sigmoid, stable_sigmoid(x))
LAMINA_UNARY_FUNCTOR(HardSigmoid, clip01(x / T(6) + T(0.5)))
LAMINA_UNARY_FUNCTOR(HardSilu, x* clip01(x / T(6) + T(0.5)))
LAMINA_UNARY_FUNCTOR(Tanh, std::tanh(x))
/// a = alpha
LAMINA_UNARY_FUNCTOR(Elu, x > T(0) ? x : a * std::expm1(x))
LAMINA_UNARY_FUNCTOR(Selu, T(1.05070098735548049342) *
                               (x > T(0) ? x : T(1.67326324235437728482) * std::expm1(x)))
LAMINA_UNARY_FUNCTOR(Softplus, stable_softplus(x))
LAMINA_UNARY_FUNCTOR(Softsign, x / (T(1) + std::fabs(x)))
LAMINA_UNARY_FUNCTOR(Exponential, std::exp(x))
LAMINA_UNARY_FUNCTOR(Mish, x* std::tanh(stable_softplus(x)))
/// keras.layers.Rescaling: x * a + b
LAMINA_UNARY_FUNCTOR(ScaleShift, x* a + b)
#undef LAMINA_UNARY_FUNCTOR

#define LAMINA_BINARY_FUNCTOR(Name, expression)       \
  struct Name {                                       \
    template <class T>                                \
    LAMINA_HOST_DEVICE T operator()(T x, T y) const { \
      return expression;                              \
    }                                                 \
  };
LAMINA_BINARY_FUNCTOR(AddOp, x + y)
LAMINA_BINARY_FUNCTOR(SubtractOp, x - y)
LAMINA_BINARY_FUNCTOR(MultiplyOp, x* y)
LAMINA_BINARY_FUNCTOR(DivideOp, x / y)
// NaN in either operand gives NaN, as numpy's and XLA's maximum do.
LAMINA_BINARY_FUNCTOR(MaximumOp, (x != x || x > y) ? x : y)
LAMINA_BINARY_FUNCTOR(MinimumOp, (x != x || x < y) ? x : y)
#undef LAMINA_BINARY_FUNCTOR

}  // namespace lamina::kernels
