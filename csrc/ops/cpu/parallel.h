#pragma once
#include <cstdint>

#include "core/parallel_ranges.h"
#include "ops/elementwise.h"

namespace lamina::ops::cpu {

using core::parallel_ranges;

/// Below this many elements a second thread costs more than it saves.
inline constexpr std::int64_t kParallelElements = core::kElementsPerPart;

/// y = act(y) [+ residual], for what a primitive could not do itself.
inline void finish(const Activation& activation, const float* residual, float* y,
                   std::int64_t size) {
  with_unary<float>(activation, [&](auto act) {
    parallel_ranges(size, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        y[i] = residual == nullptr ? act(y[i]) : act(y[i]) + residual[i];
      }
    });
  });
}

/// Copies with several threads.
void parallel_copy(const void* from, void* to, std::size_t bytes);

}  // namespace lamina::ops::cpu
