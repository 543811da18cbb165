#pragma once
#include <lamina/error.h>
#include <lamina/tensor.h>

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace lamina::training {

/// A label that is no class. Its message says where it stands among those of one call; who knows
/// where they come from says it better.
class LabelError : public ValueError {
 public:
  LabelError(std::string loss, float label, std::size_t position, std::int64_t classes);
  [[nodiscard]] std::size_t position() const noexcept { return position_; }
  /// The message with another place: "of sample 17 of the training data".
  [[nodiscard]] std::string message(const std::string& place) const;

 private:
  std::string loss_;
  float label_;
  std::size_t position_;
  std::int64_t classes_;
};

/// Keras's squeeze_or_expand_to_same_rank: a last axis of size 1 that only one of two tensors has
/// is dropped, or added where the other has rank 1.
[[nodiscard]] std::pair<Shape, Shape> same_rank(Shape a, Shape b);
[[nodiscard]] std::pair<Tensor, Tensor> same_rank(const Tensor& a, const Tensor& b);

/// One weight a row for rows of shape `rows`: from a tensor of that shape, of that shape with a
/// last axis of 1, or of its first axis alone. Throws ValueError naming both shapes.
[[nodiscard]] std::vector<float> row_weights(const Tensor& sample_weight, const Shape& rows);

/// `shape` without its last axis.
[[nodiscard]] Shape without_last(const Shape& shape);

}  // namespace lamina::training
