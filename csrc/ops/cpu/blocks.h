#pragma once
#include <lamina/shape.h>

#include <optional>
#include <vector>

namespace lamina::ops::cpu {

/// A shape seen as (outer, middle, inner), the middle being neighbouring axes taken together.
struct Blocks {
  std::int64_t outer = 1, middle = 1, inner = 1;
  [[nodiscard]] std::int64_t size() const { return outer * middle * inner; }
};

/// Nothing when `axes` (sorted, at least one) are not neighbours.
[[nodiscard]] inline std::optional<Blocks> blocks(const Shape& shape,
                                                  const std::vector<std::size_t>& axes) {
  if (axes.empty() || axes.back() - axes.front() + 1 != axes.size()) return std::nullopt;
  Blocks result;
  for (std::size_t i = 0; i < shape.rank(); ++i) {
    (i < axes.front()   ? result.outer
     : i <= axes.back() ? result.middle
                        : result.inner) *= shape.dims()[i];
  }
  return result;
}

}  // namespace lamina::ops::cpu
