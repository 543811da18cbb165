#pragma once
#include <lamina/tensor.h>

#include <string>
#include <utility>
#include <vector>

namespace lamina::training {

/// Keras's squeeze_or_expand_to_same_rank: a last axis of size 1 that only one of two tensors has
/// is dropped, or added where the other has rank 1.
[[nodiscard]] std::pair<Tensor, Tensor> same_rank(Tensor a, Tensor b);

/// One weight a row for rows of shape `rows`: from a tensor of that shape, of that shape with a
/// last axis of 1, or of its first axis alone. Throws ValueError naming both shapes.
[[nodiscard]] std::vector<float> row_weights(const Tensor& sample_weight, const Shape& rows);

/// `shape` without its last axis.
[[nodiscard]] Shape without_last(const Shape& shape);

}  // namespace lamina::training
