#pragma once
#include <algorithm>
#include <cstdint>

#include "ops/spec.h"

namespace lamina::ops::reference {

/// A window's valid extent along one dimension.
struct Extent {
  std::int64_t begin, end;
  Extent(const Pool2D& op, int dim, std::int64_t out) {
    const std::int64_t start = out * op.strides[dim] - op.pad_before[dim];
    begin = std::max<std::int64_t>(start, 0);
    end = std::min<std::int64_t>(start + op.window[dim], op.x.shape[dim + 1]);
  }
  [[nodiscard]] std::int64_t size() const { return end - begin; }
};

}  // namespace lamina::ops::reference
