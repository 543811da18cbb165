#pragma once
#include <lamina/layer.h>

#include <cstdint>
#include <string>

namespace lamina::layers {

// Layers of Keras's applications that keras.layers does not have.

/// gamma * x, as the residual branches of ConvNeXt end. Masks end here. Variables: gamma
/// (projection_dim), which begins as `init_values` and, as in Keras, has an automatic name,
/// "variable".
struct LayerScaleOptions {
  double init_values = 0;
  std::int64_t projection_dim = 0;  ///< the size of the last axis; has to be given
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef LayerScale(LayerScaleOptions options);

/// The identity in prediction. In training drops whole samples with probability `drop_path_rate`
/// and scales the others by 1 / (1 - drop_path_rate), and masks end here.
struct StochasticDepthOptions {
  double drop_path_rate = -1;  ///< in [0, 1]; has to be given
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef StochasticDepth(StochasticDepthOptions options);

/// x + scale * y of two inputs {x, y} of one rank, which broadcast against each other, as
/// InceptionResNetV2 adds its residuals. Masks end here.
struct CustomScaleLayerOptions {
  double scale = 1;  ///< Keras has no default
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef CustomScaleLayer(CustomScaleLayerOptions options);

}  // namespace lamina::layers
