#pragma once
#include <lamina/layer.h>

#include <functional>
#include <vector>

#include "graph/builder.h"

namespace lamina::layers {

/// A graph between placeholders, recorded by running `call` once.
struct Trace {
  SymbolicTensors inputs, outputs;
};

/// Runs `call` on placeholders of these shapes (batch first) and dtypes. The placeholders' layers
/// take no automatic name, so tracing does not disturb the names of the user's inputs.
[[nodiscard]] Trace trace(const std::vector<Shape>& shapes, const std::vector<DType>& dtypes,
                          const std::function<SymbolicTensors(const SymbolicTensors&)>& call);

/// Lowers the nodes between `inputs` and `outputs`, producers first; `values` stand for the inputs.
/// Throws ValueError naming the layer when an output depends on a placeholder that is not an input.
[[nodiscard]] std::vector<graph::ValueId> lower_graph(graph::Builder& builder,
                                                      const SymbolicTensors& inputs,
                                                      const SymbolicTensors& outputs,
                                                      const std::vector<graph::ValueId>& values);

}  // namespace lamina::layers
