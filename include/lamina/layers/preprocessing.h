#pragma once
#include <lamina/axes.h>
#include <lamina/initializers.h>
#include <lamina/layer.h>

#include <string>

namespace lamina::layers {

/// x * scale + offset; arrays broadcast against the last axes.
struct RescalingOptions {
  ArrayLike scale = {};
  ArrayLike offset = 0.0;
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef Rescaling(RescalingOptions options);

/// (x - mean) / sqrt(variance) along the kept `axis` (none: one mean for everything), or with
/// `invert` back. Without `mean` and `variance`, variables: mean, variance (sizes of the kept
/// axes), count () int32; none of them trainable.
struct NormalizationOptions {
  Axes axis = -1;
  ArrayLike mean = {};
  ArrayLike variance = {};
  bool invert = false;
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef Normalization(NormalizationOptions options = {});

}  // namespace lamina::layers
