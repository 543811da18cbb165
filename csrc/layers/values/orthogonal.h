#pragma once
#include <lamina/tensor.h>

#include "layers/values/random.h"

namespace lamina::layers {

/// float32 values of `shape`, seen as a matrix of the last axis against all others, with
/// orthonormal columns (rows where there are fewer rows), times `gain`. Throws ValueError for a
/// rank below 2.
[[nodiscard]] Tensor orthogonal_matrix(RandomStream stream, double gain, const Shape& shape);

}  // namespace lamina::layers
