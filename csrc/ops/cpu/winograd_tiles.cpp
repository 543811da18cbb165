#include "ops/cpu/winograd_tiles.h"

#if defined(__x86_64__)
// GCC 12 takes its own header's undefined vectors for ours (its bug 105593).
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#include <immintrin.h>

// Each function is compiled for AVX-512 by itself: the library still runs where there is none.
#define LAMINA_AVX512 __attribute__((target("avx512f")))
#define LAMINA_AVX512_INLINE __attribute__((target("avx512f"), always_inline)) inline

namespace lamina::ops::cpu::winograd {
namespace {

using Vector = __m512;

LAMINA_AVX512_INLINE Vector all(float value) {
  return _mm512_set1_ps(value);
}

constexpr float kA = static_cast<float>(kNear), kB = static_cast<float>(kFar);
constexpr float kA2 = kA * kA, kB2 = kB * kB;

/// Rows of B^T times six values.
LAMINA_AVX512_INLINE void input_points(const Vector* d, Vector* out) {
  const Vector product = all(kA2 * kB2), sum = all(kA2 + kB2);
  const Vector near_even = _mm512_fnmadd_ps(all(kB2), d[2], d[4]);
  const Vector near_odd = _mm512_mul_ps(all(kA), _mm512_fnmadd_ps(all(kB2), d[1], d[3]));
  const Vector far_even = _mm512_fnmadd_ps(all(kA2), d[2], d[4]);
  const Vector far_odd = _mm512_mul_ps(all(kB), _mm512_fnmadd_ps(all(kA2), d[1], d[3]));
  out[0] = _mm512_fmadd_ps(product, d[0], _mm512_fnmadd_ps(sum, d[2], d[4]));
  out[1] = _mm512_add_ps(near_even, near_odd);
  out[2] = _mm512_sub_ps(near_even, near_odd);
  out[3] = _mm512_add_ps(far_even, far_odd);
  out[4] = _mm512_sub_ps(far_even, far_odd);
  out[5] = _mm512_fmadd_ps(product, d[1], _mm512_fnmadd_ps(sum, d[3], d[5]));
}

/// Rows of A^T times six values.
LAMINA_AVX512_INLINE void output_points(const Vector* m, Vector* out) {
  const Vector near_sum = _mm512_add_ps(m[1], m[2]), near_difference = _mm512_sub_ps(m[1], m[2]);
  const Vector far_sum = _mm512_add_ps(m[3], m[4]), far_difference = _mm512_sub_ps(m[3], m[4]);
  out[0] = _mm512_add_ps(_mm512_add_ps(m[0], near_sum), far_sum);
  out[1] = _mm512_fmadd_ps(all(kA), near_difference, _mm512_mul_ps(all(kB), far_difference));
  out[2] = _mm512_fmadd_ps(all(kA2), near_sum, _mm512_mul_ps(all(kB2), far_sum));
  out[3] = _mm512_fmadd_ps(all(kA2 * kA), near_difference,
                           _mm512_fmadd_ps(all(kB2 * kB), far_difference, m[5]));
}

/// exp for values in [-87, 88]: 2^n times a polynomial (Cephes's coefficients), within 2 ulp.
LAMINA_AVX512_INLINE Vector exponential(Vector x) {
  const Vector n = _mm512_roundscale_ps(_mm512_mul_ps(x, all(1.44269504088896341f)),
                                        _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  Vector r = _mm512_fnmadd_ps(n, all(0.693359375f), x);
  r = _mm512_fnmadd_ps(n, all(-2.12194440e-4f), r);
  Vector p = all(1.9875691500e-4f);
  p = _mm512_fmadd_ps(p, r, all(1.3981999507e-3f));
  p = _mm512_fmadd_ps(p, r, all(8.3334519073e-3f));
  p = _mm512_fmadd_ps(p, r, all(4.1665795894e-2f));
  p = _mm512_fmadd_ps(p, r, all(1.6666665459e-1f));
  p = _mm512_fmadd_ps(p, r, all(5.0000001201e-1f));
  p = _mm512_add_ps(_mm512_fmadd_ps(p, _mm512_mul_ps(r, r), r), all(1));
  return _mm512_scalef_ps(p, n);
}

template <Function kFunction>
LAMINA_AVX512_INLINE Vector apply(Vector x) {
  if constexpr (kFunction == Function::kRelu) return _mm512_max_ps(_mm512_setzero_ps(), x);
  if constexpr (kFunction == Function::kSilu) {
    const Vector bounded = _mm512_min_ps(all(87), _mm512_max_ps(all(-87), x));
    const Vector e = exponential(_mm512_sub_ps(_mm512_setzero_ps(), bounded));
    return _mm512_div_ps(x, _mm512_add_ps(all(1), e));
  }
  return x;
}

template <int kVectors>
LAMINA_AVX512 void multiply_rows(const float* v, std::int64_t block_stride, const float* u,
                                 std::int64_t blocks, float* m) {
  Vector sums[kRows][kVectors];
  for (int row = 0; row < kRows; ++row) {
    for (int n = 0; n < kVectors; ++n) sums[row][n] = _mm512_setzero_ps();
  }
  for (std::int64_t block = 0; block < blocks; ++block, v += block_stride) {
    for (int k = 0; k < kLanes; ++k, u += kVectors * kLanes) {
      Vector weights[kVectors];
      for (int n = 0; n < kVectors; ++n) weights[n] = _mm512_loadu_ps(u + n * kLanes);
#pragma GCC unroll 14
      for (int row = 0; row < kRows; ++row) {
        const Vector value = all(v[row * kLanes + k]);
#pragma GCC unroll 2
        for (int n = 0; n < kVectors; ++n) {
          sums[row][n] = _mm512_fmadd_ps(value, weights[n], sums[row][n]);
        }
      }
    }
  }
  for (int row = 0; row < kRows; ++row) {
    for (int n = 0; n < kVectors; ++n) {
      _mm512_storeu_ps(m + (row * kVectors + n) * kLanes, sums[row][n]);
    }
  }
}

template <Function kFunction>
LAMINA_AVX512 void finish_tile(const float* m, std::int64_t point_stride, std::int64_t lane,
                               const Output& output, std::int64_t row, std::int64_t column) {
  Vector half[4][6], tile[4][4];
  for (int j = 0; j < 6; ++j) {
    Vector in[6], out[4];
    for (int i = 0; i < 6; ++i) in[i] = _mm512_loadu_ps(m + (i * 6 + j) * point_stride + lane);
    output_points(in, out);
    for (int i = 0; i < 4; ++i) half[i][j] = out[i];
  }
  for (int i = 0; i < 4; ++i) output_points(half[i], tile[i]);
  const Vector bias = output.bias != nullptr ? _mm512_loadu_ps(output.bias + lane) : all(0);
  const std::int64_t rows = output.image.height - row, columns = output.image.width - column;
  for (int i = 0; i < 4 && i < rows; ++i) {
    for (int j = 0; j < 4 && j < columns; ++j) {
      const std::int64_t at =
          ((row + i) * output.image.width + column + j) * output.image.channels + lane;
      Vector value = apply<kFunction>(_mm512_add_ps(tile[i][j], bias));
      if (output.residual != nullptr) {
        value = _mm512_add_ps(value, _mm512_loadu_ps(output.residual + at));
      }
      _mm512_storeu_ps(output.y + at, value);
    }
  }
}

}  // namespace

bool available() {
  return __builtin_cpu_supports("avx512f") != 0;
}

LAMINA_AVX512 void transform_input(const float* x, const Image& image, std::int64_t row,
                                   std::int64_t column, float* v, std::int64_t point_stride,
                                   std::int64_t block_stride) {
  for (std::int64_t block = 0; block * kLanes < image.channels; ++block) {
    Vector half[6][6];
    for (int j = 0; j < 6; ++j) {
      Vector in[6], out[6];
      const bool inside = column + j >= 0 && column + j < image.width;
      for (int i = 0; i < 6; ++i) {
        const std::int64_t at = ((row + i) * image.width + column + j) * image.channels;
        in[i] = inside && row + i >= 0 && row + i < image.height
                    ? _mm512_loadu_ps(x + at + block * kLanes)
                    : _mm512_setzero_ps();
      }
      input_points(in, out);
      for (int i = 0; i < 6; ++i) half[i][j] = out[i];
    }
    for (int i = 0; i < 6; ++i) {
      Vector out[6];
      input_points(half[i], out);
      for (int j = 0; j < 6; ++j) {
        _mm512_storeu_ps(v + (i * 6 + j) * point_stride + block * block_stride, out[j]);
      }
    }
  }
}

void multiply(const float* v, std::int64_t block_stride, const float* u, std::int64_t blocks,
              std::int64_t lanes, float* m) {
  if (lanes == 2 * kLanes) {
    multiply_rows<2>(v, block_stride, u, blocks, m);
  } else {
    multiply_rows<1>(v, block_stride, u, blocks, m);
  }
}

void transform_output(const float* m, std::int64_t point_stride, std::int64_t lanes,
                      const Output& output, std::int64_t row, std::int64_t column) {
  for (std::int64_t lane = 0; lane < lanes; lane += kLanes) {
    switch (output.function) {
      case Function::kLinear:
        finish_tile<Function::kLinear>(m, point_stride, lane, output, row, column);
        break;
      case Function::kRelu:
        finish_tile<Function::kRelu>(m, point_stride, lane, output, row, column);
        break;
      case Function::kSilu:
        finish_tile<Function::kSilu>(m, point_stride, lane, output, row, column);
        break;
    }
  }
}

}  // namespace lamina::ops::cpu::winograd

#else

namespace lamina::ops::cpu::winograd {

bool available() {
  return false;
}
void transform_input(const float*, const Image&, std::int64_t, std::int64_t, float*, std::int64_t,
                     std::int64_t) {}
void multiply(const float*, std::int64_t, const float*, std::int64_t, std::int64_t, float*) {}
void transform_output(const float*, std::int64_t, std::int64_t, const Output&, std::int64_t,
                      std::int64_t) {}

}  // namespace lamina::ops::cpu::winograd

#endif
