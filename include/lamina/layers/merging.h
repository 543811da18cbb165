#pragma once
#include <lamina/axes.h>
#include <lamina/layer.h>

#include <cstdint>
#include <string>

namespace lamina::layers {

// Merging: applied to a list of tensors that broadcast against each other (lower ranks gain axes of
// size 1 after the batch; a batch of 1 broadcasts, as a weight {1, ...} does). Where all inputs
// carry masks the output's mask is true where any of theirs is.

struct MergeOptions {
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef Add(MergeOptions options = {});
/// Exactly two inputs.
[[nodiscard]] LayerRef Subtract(MergeOptions options = {});
[[nodiscard]] LayerRef Multiply(MergeOptions options = {});
[[nodiscard]] LayerRef Average(MergeOptions options = {});
[[nodiscard]] LayerRef Maximum(MergeOptions options = {});
[[nodiscard]] LayerRef Minimum(MergeOptions options = {});

/// Equal shapes but for `axis`, along which the inputs are laid one after another, and so are their
/// masks, if any has one: the output's is true where any of the last axis is.
struct ConcatenateOptions {
  std::int64_t axis = -1;
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef Concatenate(ConcatenateOptions options = {});

/// Of two inputs, sample by sample, the sums of products along an axis of each: one of `axes` for
/// both, or one each; neither is the batch. (batch, a..., b...) of what other axes these have, or
/// (batch, 1) where there are none. `normalize` divides what is summed by its length first, which
/// gives cosines. Masks end here.
struct DotOptions {
  Axes axes = {};  ///< has to be given
  bool normalize = false;
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef Dot(DotOptions options);

}  // namespace lamina::layers
