#pragma once
#include <algorithm>
#include <cstdint>

#include "core/denormals.h"

namespace lamina::core {

/// Below this many elements a second thread costs more than it saves.
inline constexpr std::int64_t kElementsPerPart = 1 << 14;

/// Calls f(begin, end) for ranges that cover [0, size), from several threads when `size` items of
/// `weight` elements each are worth it, which treat denormal numbers as the caller does. `f` must
/// not throw.
template <class F>
void parallel_ranges(std::int64_t size, std::int64_t weight, const F& f) {
  const std::int64_t parts =
      std::min(size, std::max<std::int64_t>(1, size * weight / kElementsPerPart));
  if (parts <= 1) {
    if (size > 0) f(std::int64_t{0}, size);
    return;
  }
  const ParallelRegion region;
#pragma omp parallel for schedule(static)
  for (std::int64_t part = 0; part < parts; ++part) {
    const SameFlushing same(region);
    f(part * size / parts, (part + 1) * size / parts);
  }
}

}  // namespace lamina::core
