#include <lamina/layers.h>
#include <lamina/model.h>

#include <algorithm>
#include <unordered_map>

#include "layers/access.h"
#include "layers/input.h"
#include "layers/naming.h"
#include "models/graph_order.h"
#include "models/run/input_check.h"
#include "models/run/lowering.h"

namespace lamina {
namespace {

bool is_input_layer(const Layer& layer) {
  return layer.class_name() == "InputLayer";
}

[[noreturn]] void refuse_without_layers(const Layer& model) {
  throw ValueError("Sequential model " + model.name() +
                   " cannot be built because it has no layers. Call `model.add(layer)`.");
}

}  // namespace

struct Sequential::Stack {
  std::vector<LayerPtr> layers;  // without the InputLayer
  std::unordered_map<std::string, LayerPtr> by_name;
  LayerPtr input_layer;
  SymbolicTensor input, output;          // defined once the model is built
  std::unique_ptr<models::Graph> graph;  // made when asked for

  /// Takes off the last layer. Its name is free again unless the layer is there twice.
  LayerPtr take_last() {
    LayerPtr last = std::move(layers.back());
    layers.pop_back();
    if (std::find(layers.begin(), layers.end(), last) == layers.end()) by_name.erase(last->name());
    return last;
  }
};

Sequential::Sequential(std::vector<LayerRef> layers, Options options)
    : Model({std::move(options.name), {}, options.trainable}), stack_(std::make_unique<Stack>()) {
  for (const LayerRef& layer : layers) push(layer);
  build_if_possible();
}

Sequential::~Sequential() = default;

std::shared_ptr<Sequential> Sequential::create(std::vector<LayerRef> layers, Options options) {
  const std::shared_ptr<Sequential> model(new Sequential(std::move(layers), std::move(options)));
  (void)model->name();
  model->prepare_saving();
  return model;
}

void Sequential::push(const LayerPtr& layer) {
  if (!is_input_layer(*layer)) {
    const auto known = stack_->by_name.emplace(layer->name(), layer).first;
    if (known->second != layer) {
      throw ValueError("All layers added to a Sequential model should have unique names. Name '" +
                       layer->name() +
                       "' is already the name of a layer in this model. Update the `name` argument "
                       "to pass a unique "
                       "name.");
    }
    stack_->layers.push_back(layer);
    return;
  }
  if (stack_->input_layer) {
    throw ValueError("Sequential model '" + name() +
                     "' has already been configured to use input shape " +
                     stack_->input_layer->compute_output_shape({})[0].str() +
                     ". You cannot add a different Input layer to it.");
  }
  if (!stack_->layers.empty()) {
    throw ValueError("Sequential model '" + name() + "': an InputLayer has to be the first layer.");
  }
  stack_->input_layer = layer;
}

void Sequential::add(LayerRef layer) {
  push(layer);
  invalidate_plans();
  if (is_input_layer(*layer)) return;  // the first one: there is nothing to build yet
  try {
    if (!built_) {
      build_if_possible();
      return;
    }
    stack_->output = layer(stack_->output);
    stack_->graph.reset();
  } catch (...) {
    (void)stack_->take_last();
    throw;
  }
}

LayerPtr Sequential::pop() {
  if (stack_->layers.empty()) {
    throw ValueError("Sequential model '" + name() + "' has no layer to pop.");
  }
  invalidate_plans();
  LayerPtr popped = stack_->take_last();
  stack_->graph.reset();
  if (built_ && !stack_->layers.empty()) {
    // A copy first, for the call goes with its output.
    stack_->output = SymbolicTensor(layers::Access::node(stack_->output)->inputs.front());
  } else {
    built_ = false;
    stack_->input = stack_->output = SymbolicTensor();
  }
  return popped;
}

void Sequential::build_if_possible() {
  if (built_ || stack_->layers.empty()) return;
  if (stack_->input_layer) {
    build_on(stack_->input_layer);
  } else if (const auto* first = dynamic_cast<const Model*>(stack_->layers.front().get());
             first != nullptr && stack_->layers.size() > 1 && first->inputs().size() == 1) {
    build({first->inputs().front().shape()});
  }
}

void Sequential::on_build(const std::vector<Shape>& input_shapes) {
  if (stack_->layers.empty() && !stack_->input_layer) refuse_without_layers(*this);
  if (input_shapes.size() != 1) {
    throw ValueError("Sequential model '" + name() + "' takes one input; received " +
                     std::to_string(input_shapes.size()) + ".");
  }
  if (stack_->input_layer) {
    build_on(stack_->input_layer);
    return;
  }
  const DType dtype = stack_->layers.front()->dtype_policy().compute;
  build_on(layers::InputLayer(
      {.dtype = std::string(dtype_name(dtype)), .batch_shape = input_shapes.front()}));
}

void Sequential::build_on(const LayerPtr& input_layer) {
  // What `layers::Input` gave is the model's input itself, as in Keras.
  const std::shared_ptr<layers::Node> known = layers::Access::first_node(*input_layer);
  const SymbolicTensor input = known && known->inputs.empty()
                                   ? layers::Access::output(known, 0)
                                   : layers::input_placeholder(*input_layer);
  SymbolicTensor x = input;
  for (const LayerPtr& layer : stack_->layers) x = (*layer)(x);
  (void)layers::auto_name("Functional");  // Keras makes one inside, and counts it
  stack_->input_layer = input_layer;
  stack_->input = input;
  stack_->output = x;
  built_ = true;
}

std::vector<LayerPtr> Sequential::layers() const {
  return stack_->layers;
}

const std::vector<LayerPtr>* Sequential::layer_list() const noexcept {
  return &stack_->layers;
}

LayerPtr Sequential::input_layer() const {
  return stack_->input_layer;
}

SymbolicTensors Sequential::inputs() const {
  return stack_->input.defined() ? SymbolicTensors{stack_->input} : SymbolicTensors{};
}

SymbolicTensors Sequential::outputs() const {
  return stack_->output.defined() ? SymbolicTensors{stack_->output} : SymbolicTensors{};
}

std::vector<Shape> Sequential::compute_output_shape(const std::vector<Shape>& inputs) {
  if (built_) models::check_input_shapes(class_name(), this->inputs(), inputs);
  std::vector<Shape> shapes = inputs;
  for (const LayerPtr& layer : stack_->layers) shapes = layer->compute_output_shape(shapes);
  return shapes;
}

std::vector<DType> Sequential::compute_output_dtype(const std::vector<DType>& inputs) {
  return stack_->output.defined() ? std::vector<DType>{stack_->output.dtype()} : inputs;
}

std::vector<graph::ValueId> Sequential::on_lower(graph::Builder& builder,
                                                 const std::vector<graph::ValueId>& inputs) {
  if (!built_) refuse_without_layers(*this);  // they were popped where another model calls it
  return models::lower_between(builder, this->inputs(), outputs(), inputs);
}

const models::Graph* Sequential::graph() const {
  if (!stack_->output.defined()) return nullptr;
  if (!stack_->graph) {
    stack_->graph =
        std::make_unique<models::Graph>(models::map_graph({stack_->input}, {stack_->output}));
  }
  return stack_->graph.get();
}

}  // namespace lamina
