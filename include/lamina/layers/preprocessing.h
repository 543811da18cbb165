#pragma once
#include <lamina/axes.h>
#include <lamina/initializers.h>
#include <lamina/layer.h>

#include <cstdint>
#include <optional>
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

/// Indices as vectors of `num_tokens` numbers, of the compute dtype. `output_mode` "one_hot": 1 at
/// each index, (...) -> (..., num_tokens), a last axis of size 1 giving its place; "multi_hot" (or
/// "binary"): 1 at all that a sample has, (batch, n) -> (batch, num_tokens); "count": how often it
/// has each, or the sum of what the call's argument `count_weights`, shaped like the indices, has
/// for each. What is no index from 0 to num_tokens - 1 counts nowhere.
struct CategoryEncodingOptions {
  std::int64_t num_tokens = -1;  ///< has to be given
  std::string output_mode = "multi_hot";
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef CategoryEncoding(CategoryEncodingOptions options);

/// For each element how many of the boundaries are not above it, as int32; or, with the
/// `output_mode` "one_hot", "multi_hot" or "count", that encoded as CategoryEncoding does. Without
/// boundaries, which Keras's `adapt` finds where `num_bins` is given, it cannot be called.
struct DiscretizationOptions {
  ArrayLike bin_boundaries = {};  ///< a list that does not fall
  std::optional<std::int64_t> num_bins = {};
  double epsilon = 0.01;
  std::string output_mode = "int";
  std::string name = {};
  std::string dtype = {};
};
[[nodiscard]] LayerRef Discretization(DiscretizationOptions options);

}  // namespace lamina::layers
