#pragma once
#include <functional>
#include <map>
#include <string>

#include "ops/cuda/libraries/cudnn_graph.h"

namespace lamina::ops::cuda {

/// What cuDNN says of a graph. `built` implies `supported`.
struct Verdict {
  bool supported = false, built = false;
  std::string words;  ///< the engine, or why there is none, or why it was not built
};

/// Nodes of Lamina's for which it asks no library, as graphs of cuDNN's, by names that begin like
/// those of describe(): "batch_norm training float32 (8, 56, 56, 24)".
using Nodes = std::map<std::string, std::function<Verdict(const CudnnTarget&)>>;

/// Batch normalisation and its gradient as every EfficientNetV2 trains at its own image size.
[[nodiscard]] Nodes norms_of_applications(std::int64_t batch);

/// Normalisations and their gradients: common sizes and odd ones.
[[nodiscard]] Nodes norm_edge_cases();

/// Gradients of the kinds of pooling.
[[nodiscard]] Nodes pool_gradients();

}  // namespace lamina::ops::cuda
