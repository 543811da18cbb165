#pragma once
#include <cmath>

#include "ops/cpu/vectorized.h"

namespace lamina::ops::cpu {

/// Of one row: y = (x - mean) * scale [* gamma + beta].
struct NormRow {
  float mean, scale;
};

/// What of a LayerNorm decides on that.
struct NormRule {
  explicit NormRule(const LayerNorm& op) : rms(op.rms), epsilon(static_cast<float>(op.epsilon)) {}

  [[nodiscard]] LAMINA_ALWAYS_INLINE NormRow row(const float* x, std::int64_t size) const {
    float sum = 0;
    if (!rms) {
#pragma omp simd reduction(+ : sum)
      for (std::int64_t i = 0; i < size; ++i) sum += x[i];
    }
    const float mean = sum / static_cast<float>(size);
    float squares = 0;
#pragma omp simd reduction(+ : squares)
    for (std::int64_t i = 0; i < size; ++i) squares += (x[i] - mean) * (x[i] - mean);
    const float variance = squares / static_cast<float>(size);
    return {mean, 1.0F / std::sqrt(variance + epsilon)};
  }

  bool rms;
  float epsilon;
};

}  // namespace lamina::ops::cpu
