#pragma once
#include <lamina/model.h>

#include "graph/builder.h"
#include "graph/program.h"
#include "layers/trace.h"

namespace lamina::models {

/// The model as a program for inputs of these shapes and dtypes. In training mode, behind the
/// model's inputs comes the random state that its Dropouts draw from, if there are any, and behind
/// its outputs its activity penalties and their masks, in evaluation mode as well, and then the
/// statistics that its moving averages follow. Last, in any mode, come the states that it carries
/// on.
[[nodiscard]] graph::Program lower_model(
    Model& model, const std::vector<ops::TensorSpec>& inputs,
    graph::Builder::Mode mode = graph::Builder::Mode::kInference);

/// Lowers a model's graph in place: values are cast to the placeholders' dtypes first, and keep
/// their masks. `first`: see `layers::lower_graph`.
[[nodiscard]] std::vector<graph::ValueId> lower_between(graph::Builder& builder,
                                                        const SymbolicTensors& inputs,
                                                        const SymbolicTensors& outputs,
                                                        const std::vector<graph::ValueId>& values,
                                                        const layers::Calls& first = {});

}  // namespace lamina::models
