#pragma once
#include <algorithm>
#include <cmath>

#include "ops/cpu/vectorized.h"
#include "ops/spec.h"

namespace lamina::ops::cpu {

/// Elements that are summed in float before they are added to a sum in double: in one float those
/// of a long row would be lost.
constexpr std::int64_t kSummedAtOnce = 1024;

/// add(begin, end) for parts of [0, size) that are so short.
template <class Add>
LAMINA_ALWAYS_INLINE inline void in_short_parts(std::int64_t size, const Add& add) {
  for (std::int64_t begin = 0; begin < size; begin += kSummedAtOnce) {
    add(begin, std::min(begin + kSummedAtOnce, size));
  }
}

/// Of one row: y = (x - mean) * scale [* gamma + beta].
struct NormRow {
  float mean, scale;
};

/// What of a LayerNorm decides on that.
struct NormRule {
  explicit NormRule(const LayerNorm& op) : rms(op.rms), epsilon(static_cast<float>(op.epsilon)) {}

  [[nodiscard]] LAMINA_ALWAYS_INLINE NormRow row(const float* x, std::int64_t size) const {
    double sum = 0, squares = 0;
    if (!rms) {
      in_short_parts(size, [&](std::int64_t begin, std::int64_t end) LAMINA_ALWAYS_INLINE {
        float part = 0;
#pragma omp simd reduction(+ : part)
        for (std::int64_t i = begin; i < end; ++i) part += x[i];
        sum += part;
      });
    }
    const auto mean = static_cast<float>(sum / static_cast<double>(size));
    in_short_parts(size, [&](std::int64_t begin, std::int64_t end) LAMINA_ALWAYS_INLINE {
      float part = 0;
#pragma omp simd reduction(+ : part)
      for (std::int64_t i = begin; i < end; ++i) part += (x[i] - mean) * (x[i] - mean);
      squares += part;
    });
    const auto variance = static_cast<float>(squares / static_cast<double>(size));
    return {mean, 1.0F / std::sqrt(variance + epsilon)};
  }

  bool rms;
  float epsilon;
};

}  // namespace lamina::ops::cpu
