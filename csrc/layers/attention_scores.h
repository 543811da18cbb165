#pragma once
#include <vector>

#include "layers/trace.h"

namespace lamina::layers {

/// What a call of attention is given by name to have its scores, as a second output, as well.
inline constexpr const char* kReturnScores = "return_attention_scores";

/// A layer with one output whose calls may ask for its scores, of whose dtype they are.
class ReturnsScores : public OutputsByCall {
 public:
  [[nodiscard]] std::vector<ops::TensorSpec> output_specs(const CallSpecs& call) final {
    auto& layer = dynamic_cast<Layer&>(*this);
    std::vector<Shape> shapes;
    std::vector<DType> dtypes;
    for (const ops::TensorSpec& input : call.inputs) {
      shapes.push_back(input.shape);
      dtypes.push_back(input.dtype);
    }
    const DType dtype = layer.compute_output_dtype(dtypes).at(0);
    std::vector<ops::TensorSpec> outputs{{layer.compute_output_shape(shapes).at(0), dtype}};
    if (call.flags.contains(kReturnScores)) outputs.push_back({scores_shape(shapes), dtype});
    return outputs;
  }

 protected:
  /// Of a call on such inputs.
  [[nodiscard]] virtual Shape scores_shape(const std::vector<Shape>& inputs) const = 0;
};

}  // namespace lamina::layers
