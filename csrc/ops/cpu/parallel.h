#pragma once
#include <algorithm>
#include <cstdint>

#include "ops/elementwise.h"

namespace lamina::ops::cpu {

/// Below this many elements a second thread costs more than it saves.
inline constexpr std::int64_t kParallelElements = 1 << 14;

/// Calls f(begin, end) for ranges that cover [0, size), from several threads when `size` items of
/// `weight` elements each are worth it. `f` must not throw.
template <class F>
void parallel_ranges(std::int64_t size, std::int64_t weight, const F& f) {
  if (size * weight < 2 * kParallelElements || size < 2) {
    f(std::int64_t{0}, size);
    return;
  }
  const std::int64_t parts =
      std::min(size, std::max<std::int64_t>(1, size * weight / kParallelElements));
#pragma omp parallel for schedule(static)
  for (std::int64_t part = 0; part < parts; ++part) {
    f(part * size / parts, (part + 1) * size / parts);
  }
}

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
