#pragma once
#include <lamina/model.h>

#include <memory>
#include <vector>

#include "layers/node.h"

namespace lamina::models {

/// What a configuration says of a model's graph, in Keras's order.
struct ModelParts {
  std::vector<LayerPtr> operations;                  ///< each layer once: `model.operations`
  std::vector<std::shared_ptr<layers::Node>> calls;  ///< in the order in which they were made
  LayerPtr input_layer;                              ///< a Sequential's, if it has one
};

/// Without operations and calls for a model that is not built.
[[nodiscard]] ModelParts parts_of(const Model& model);

}  // namespace lamina::models
