#pragma once
#include <bit>
#include <cstdint>

#include "ops/elementwise.h"

#if defined(__x86_64__)
#define LAMINA_ALWAYS_INLINE __attribute__((always_inline))
#define LAMINA_AVX2_LOOP __attribute__((target("avx2,fma")))
#define LAMINA_AVX512_LOOP \
  __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,fma,prefer-vector-width=512")))
#else
#define LAMINA_ALWAYS_INLINE __attribute__((always_inline))
#define LAMINA_AVX2_LOOP
#define LAMINA_AVX512_LOOP
#endif

// Loops that the compiler vectorises, for what this processor has: the library itself is built for
// any of its kind.
namespace lamina::ops::cpu {

/// What of the processor's vectors the loops are compiled for.
enum class Vectors : std::uint8_t { kAnywhere, kAvx2, kAvx512 };
[[nodiscard]] Vectors vectors();

// Each runs a copy of its own: what lies elsewhere the loop's own stores might change, for all that
// the compiler knows, and would be read again for each element.

template <class Body>
LAMINA_AVX2_LOOP void run_avx2(const Body& body, std::int64_t begin, std::int64_t end) {
  const Body own = body;
  own(begin, end);
}

template <class Body>
LAMINA_AVX512_LOOP void run_avx512(const Body& body, std::int64_t begin, std::int64_t end) {
  const Body own = body;
  own(begin, end);
}

template <class Body>
void run_anywhere(const Body& body, std::int64_t begin, std::int64_t end) {
  const Body own = body;
  own(begin, end);
}

/// body(begin, end), compiled for this processor. `body` has to be LAMINA_ALWAYS_INLINE, as has
/// what it calls in its loop.
template <class Body>
void vectorized(const Body& body, std::int64_t begin, std::int64_t end) {
  switch (vectors()) {
    case Vectors::kAvx512:
      return run_avx512(body, begin, end);
    case Vectors::kAvx2:
      return run_avx2(body, begin, end);
    case Vectors::kAnywhere:
      return run_anywhere(body, begin, end);
  }
}

/// exp(x) within 2 units in the last place, without a call or a branch; 0 below -87, and
/// above 88 what it is there.
LAMINA_ALWAYS_INLINE inline float fast_exp(float x) {
  const float clamped = x > 88.0F ? 88.0F : x;
  // Rounded to an integer in the low bits of the sum.
  const float shifted = clamped * 1.44269504088896341F + 12582912.0F;
  const float n = shifted - 12582912.0F;
  const float r = clamped - n * 0.693359375F + n * 2.12194440e-4F;
  float p = 1.9875691500e-4F;
  p = p * r + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  const float y = p * r * r + r + 1.0F;
  const auto exponent = std::bit_cast<std::uint32_t>(shifted) << 23U;
  const float scaled = std::bit_cast<float>(std::bit_cast<std::uint32_t>(y) + exponent);
  return x < -87.0F ? 0.0F : scaled;
}

/// 0 below -88, where fast_exp(-x) stays as it is: the rest is denormal, but not its product with a
/// large number.
LAMINA_ALWAYS_INLINE inline float fast_sigmoid(float x) {
  const float y = 1.0F / (1.0F + fast_exp(-x));
  return x < -88.0F ? 0.0F : y;
}

struct FastSilu {
  LAMINA_ALWAYS_INLINE float operator()(float x) const { return x * fast_sigmoid(x); }
  LAMINA_ALWAYS_INLINE float derivative(float x) const {
    const float s = fast_sigmoid(x);
    return s * (1.0F + x * (1.0F - s));
  }
};

/// The standard normal distribution's function, within some units in the last place also where it
/// is nearly 0 (but for the rounding of x squared), from `bell` = exp(-x^2 / 2).
LAMINA_ALWAYS_INLINE inline float fast_normal_distribution(float x, float bell) {
  // The complementary error function as in Numerical Recipes' erfcc, within 1.2e-7 of itself.
  const float z = 0.70710678118654752440F * (x < 0 ? -x : x);
  const float t = 1.0F / (1.0F + 0.5F * z);
  float p = 0.17087277F;
  p = p * t - 0.82215223F;
  p = p * t + 1.48851587F;
  p = p * t - 1.13520398F;
  p = p * t + 0.27886807F;
  p = p * t - 0.18628806F;
  p = p * t + 0.09678418F;
  p = p * t + 0.37409196F;
  p = p * t + 1.00002368F;
  p = p * t - 1.26551223F;
  const float tail = 0.5F * t * fast_exp(p) * bell;
  return x < 0 ? tail : 1.0F - tail;
}

struct FastGelu {
  LAMINA_ALWAYS_INLINE float operator()(float x) const {
    return x * fast_normal_distribution(x, fast_exp(-0.5F * x * x));
  }
  LAMINA_ALWAYS_INLINE float derivative(float x) const {
    const float bell = fast_exp(-0.5F * x * x);
    return fast_normal_distribution(x, bell) + x * 0.39894228040143267794F * bell;
  }
};

/// (1 + tanh(u)) / 2 is sigmoid(2 u).
struct FastGeluTanh {
  LAMINA_ALWAYS_INLINE static float share(float x) {
    return fast_sigmoid(1.59576912160573071176F * (x + 0.044715F * x * x * x));
  }
  LAMINA_ALWAYS_INLINE float operator()(float x) const { return x * share(x); }
  LAMINA_ALWAYS_INLINE float derivative(float x) const {
    const float s = share(x);
    const float slope = 1.59576912160573071176F * (1.0F + 3 * 0.044715F * x * x);
    return s + x * s * (1.0F - s) * slope;
  }
};

/// Calls `f` with the functor of `activation`: one that vectorises where there is one.
template <class F>
decltype(auto) with_fast_unary(const Activation& activation, F&& f) {
  if (activation.kind == Unary::kSilu) return f(FastSilu{});
  if (activation.kind == Unary::kGelu) return f(FastGelu{});
  if (activation.kind == Unary::kGeluTanh) return f(FastGeluTanh{});
  return with_unary<float>(activation, f);
}

}  // namespace lamina::ops::cpu
