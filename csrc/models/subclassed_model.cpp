#include <lamina/model.h>

#include "layers/access.h"
#include "layers/trace.h"
#include "models/graph_order.h"
#include "models/sublayers.h"

namespace lamina {
SubclassedModel::SubclassedModel() : SubclassedModel(Options{}) {}

SubclassedModel::SubclassedModel(Options options)
    : Model({std::move(options.name), std::move(options.dtype), true}) {}

SubclassedModel::~SubclassedModel() = default;

void SubclassedModel::finish_build(const std::vector<Shape>& input_shapes) {
  layers::Trace traced = layers::Access::trace_build(*this, input_shapes);
  auto graph = std::make_unique<models::Graph>();
  graph->nodes_by_depth = {models::topological_order(traced.inputs, traced.outputs)};
  traced.inputs.resize(input_shapes.size());  // behind them is what it was given by name
  graph->inputs = std::move(traced.inputs);
  graph->outputs = std::move(traced.outputs);
  graph_ = std::move(graph);
}

std::vector<LayerPtr> SubclassedModel::layers() const {
  return models::tracked_sublayers(*this);
}

SymbolicTensors SubclassedModel::inputs() const {
  return graph_ ? graph_->inputs : SymbolicTensors{};
}
SymbolicTensors SubclassedModel::outputs() const {
  return graph_ ? graph_->outputs : SymbolicTensors{};
}

std::vector<DType> SubclassedModel::compute_output_dtype(const std::vector<DType>& inputs) {
  if (!graph_) return Layer::compute_output_dtype(inputs);
  std::vector<DType> out;
  for (const SymbolicTensor& output : graph_->outputs) out.push_back(output.dtype());
  return out;
}

}  // namespace lamina
