#pragma once
#include <lamina/axes.h>
#include <lamina/initializers.h>
#include <lamina/layer.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace lamina {
class DataLoader;
}

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
/// axes), count () int32; none of them trainable, and `adapt` sets the first two.
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
/// `output_mode` "one_hot", "multi_hot" or "count", that encoded as CategoryEncoding does. With
/// `num_bins` it is `adapt` that finds the boundaries, before which no model with it runs. They are
/// in its configuration, not in weights files, as in Keras.
struct DiscretizationOptions {
  ArrayLike bin_boundaries = {};  ///< a list that does not fall
  std::optional<std::int64_t> num_bins = {};
  double epsilon = 0.01;  ///< of all data: how far `adapt` may be from bins of equal size
  std::string output_mode = "int";
  std::string name = {};
  std::string dtype = {};
};
[[nodiscard]] LayerRef Discretization(DiscretizationOptions options);

/// Keras's `layer.adapt(data)`: the layer forgets what it has learnt, and learns from `data` what
/// it computes. Models that hold it, compiled or not, compute that from then on.
///
///     const LayerRef normalization = layers::Normalization();
///     layers::adapt(normalization, rows);
///
/// - Normalization: mean and variance of the data for each place along its kept axes, over all
///   others, and over all batches as if they were one. Summed as float64, whatever the policy. One
///   that is not built is built for the shape of the first batch.
/// - Discretization: the boundaries between `num_bins` bins of about as many elements each, fewer
///   where there are fewer elements. Of the same batches in the same order they are Keras's, unless
///   batches share values.
///
/// Tensors may have any dtype and be on any device. Throws ValueError naming the layer for one that
/// has no `adapt`, or was given what it would learn, for no batches or no elements (Normalization),
/// for a batch whose sizes are not those along the kept axes, and for so many NaN that a boundary
/// would be one (Discretization). What it throws leaves the layer as it was, but perhaps built.
void adapt(const LayerPtr& layer, const Tensor& data);
/// Of batches, one after another.
void adapt(const LayerPtr& layer, const std::vector<Tensor>& batches);

struct AdaptOptions {
  std::optional<std::int64_t> steps = {};  ///< batches to take, if there are as many; else all
};
/// Of the only input of a loader's batches: those of epoch 0 with seed 0, in their order, on this
/// thread. Throws also what `loader` throws, and ValueError for batches of several inputs, for
/// batches without an end unless `steps` says how many, and for less than one step.
void adapt(const LayerPtr& layer, const std::shared_ptr<DataLoader>& loader,
           AdaptOptions options = {});

}  // namespace lamina::layers
