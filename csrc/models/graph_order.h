#pragma once
#include <lamina/layer.h>

#include <memory>
#include <vector>

#include "layers/access.h"

namespace lamina::models {

using NodePtr = std::shared_ptr<layers::Node>;

/// The calls and layers between placeholders, in Keras's order: the deepest first, and of one depth
/// as a walk from the outputs backwards meets them.
struct Graph {
  SymbolicTensors inputs, outputs;
  /// Calls grouped by depth, deepest first: an order in which they can be run.
  std::vector<std::vector<NodePtr>> nodes_by_depth;
  /// Each layer once: `model.operations`.
  std::vector<LayerPtr> operations;

  /// The calls in the order of `nodes_by_depth`.
  [[nodiscard]] std::vector<NodePtr> nodes() const;
};

/// Walks back from `outputs` to `inputs`. Throws ValueError when either is empty, when an output
/// hangs on a placeholder that is not among `inputs`, and for two layers of one name.
[[nodiscard]] Graph map_graph(SymbolicTensors inputs, SymbolicTensors outputs);

/// The calls from which `outputs` are made, each after those it needs; stops at `inputs`.
[[nodiscard]] std::vector<NodePtr> topological_order(const SymbolicTensors& inputs,
                                                     const SymbolicTensors& outputs);

/// The same graph with a new placeholder for every input that is the output of some layer, as Keras
/// makes it when a model starts in the middle of another one.
struct Rewired {
  SymbolicTensors inputs, outputs;
};
[[nodiscard]] Rewired cut_at_inputs(const SymbolicTensors& inputs, const SymbolicTensors& outputs);

/// True for what `Input` returns: a tensor that no call computes.
[[nodiscard]] inline bool is_placeholder(const SymbolicTensor& tensor) {
  return layers::is_placeholder(*layers::Access::node(tensor));
}

}  // namespace lamina::models
