#pragma once
#include <lamina/shape.h>

#include <vector>

namespace lamina::layers {

/// What a call of attention is given by name to have its scores, as a second output, as well.
inline constexpr const char* kReturnScores = "return_attention_scores";

/// A layer whose calls may ask for its scores, of whose compute dtype they are.
class ReturnsScores {
 public:
  virtual ~ReturnsScores() = default;
  /// Of a call on such inputs.
  [[nodiscard]] virtual Shape scores_shape(const std::vector<Shape>& inputs) const = 0;
};

}  // namespace lamina::layers
