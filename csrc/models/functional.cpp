#include <lamina/model.h>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "layers/access.h"
#include "layers/operations/operations.h"
#include "models/graph_order.h"
#include "models/run/input_check.h"
#include "models/run/lowering.h"

namespace lamina {
namespace {

models::Graph make_graph(const SymbolicTensors& inputs, const SymbolicTensors& outputs) {
  models::Graph graph = models::map_graph(inputs, outputs);
  if (std::all_of(inputs.begin(), inputs.end(), models::is_placeholder)) return graph;
  models::Rewired cut = models::cut_at_inputs(inputs, outputs);
  return models::map_graph(std::move(cut.inputs), std::move(cut.outputs));
}

// Shapes of every output for input shapes that need not be those that the graph was made with.
class ShapeWalk {
 public:
  explicit ShapeWalk(const models::Graph& graph, const std::vector<Shape>& inputs) {
    for (std::size_t i = 0; i < inputs.size(); ++i) set(graph.inputs[i], inputs[i]);
    for (const models::NodePtr& node : graph.nodes()) {
      if (node->inputs.empty()) continue;
      std::vector<ops::TensorSpec> given;
      for (const SymbolicTensor& input : node->inputs) given.push_back({get(input), input.dtype()});
      std::vector<Shape>& shapes = known_[node.get()];
      for (const ops::TensorSpec& output :
           layers::Access::output_specs(*node->layer, given, node->form)) {
        shapes.push_back(output.shape);
      }
    }
  }

  const Shape& get(const SymbolicTensor& tensor) const {
    return known_.at(layers::Access::node(tensor).get()).at(layers::Access::index(tensor));
  }

 private:
  void set(const SymbolicTensor& tensor, const Shape& shape) {
    known_[layers::Access::node(tensor).get()] = {shape};
  }

  std::unordered_map<const layers::Node*, std::vector<Shape>> known_;
};

// Whether a layer among these, or within them, takes away masks of what it is given.
bool any_takes_masks(std::vector<LayerPtr> layers) {
  std::unordered_set<const Layer*> seen;
  while (!layers.empty()) {
    const LayerPtr layer = std::move(layers.back());
    layers.pop_back();
    if (!seen.insert(layer.get()).second) continue;
    if (layer->class_name() == "MultiHeadAttention") return true;
    const std::vector<LayerPtr> inner = layer->sublayers();
    layers.insert(layers.end(), inner.begin(), inner.end());
  }
  return false;
}

}  // namespace

Functional::Functional(SymbolicTensors inputs, SymbolicTensors outputs, Options options)
    : Model({std::move(options.name), {}, options.trainable}),
      graph_(std::make_unique<models::Graph>(make_graph(inputs, outputs))) {
  for (const LayerPtr& layer : graph_->operations) {
    if (!layers::is_operation(*layer)) layers_.push_back(layer);
  }
  built_ = true;
}

Functional::~Functional() = default;

std::shared_ptr<Functional> Functional::create(SymbolicTensors inputs, SymbolicTensors outputs,
                                               Options options) {
  const std::shared_ptr<Functional> model(
      new Functional(std::move(inputs), std::move(outputs), std::move(options)));
  (void)model->name();  // automatic names follow the order in which things are made
  model->prepare_saving();
  return model;
}

std::vector<LayerPtr> Functional::layers() const {
  return layers_;
}

const std::vector<LayerPtr>* Functional::layer_list() const noexcept {
  return &layers_;
}

SymbolicTensors Functional::inputs() const {
  return graph_->inputs;
}
SymbolicTensors Functional::outputs() const {
  return graph_->outputs;
}

std::vector<Shape> Functional::compute_output_shape(const std::vector<Shape>& inputs) {
  models::check_input_shapes(class_name(), graph_->inputs, inputs);
  const ShapeWalk walk(*graph_, inputs);
  std::vector<Shape> out;
  for (const SymbolicTensor& output : graph_->outputs) out.push_back(walk.get(output));
  return out;
}

std::vector<DType> Functional::compute_output_dtype(const std::vector<DType>&) {
  std::vector<DType> out;
  for (const SymbolicTensor& output : graph_->outputs) out.push_back(output.dtype());
  return out;
}

std::vector<graph::ValueId> Functional::on_lower(graph::Builder& builder,
                                                 const std::vector<graph::ValueId>& inputs) {
  // Of branches one after the other takes less memory than Keras's order.
  const bool ordered = any_takes_masks(graph_->operations);
  return models::lower_between(builder, graph_->inputs, graph_->outputs, inputs,
                               ordered ? graph_->nodes() : layers::Calls());
}

}  // namespace lamina
