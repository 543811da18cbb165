#pragma once
#include <cstdint>
#include <vector>

#include "ops/spec.h"

namespace lamina::ops {

/// How one output position along one dimension is made: a sum of neighbours with weights.
struct ResizeTaps {
  std::int64_t first = 0;       ///< the first input position
  std::vector<double> weights;  ///< one a position, from `first` on
};

/// The taps of every output position of an axis (1: rows, 2: columns), by jax.image.resize's rules:
/// half-pixel centres, weights normalised over the positions inside the image.
[[nodiscard]] std::vector<ResizeTaps> resize_taps(const Resize2D& op, std::int64_t axis);

}  // namespace lamina::ops
