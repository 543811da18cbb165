// What a layer says of its calls.
#include <lamina/error.h>
#include <lamina/layer.h>

#include "layers/access.h"
#include "layers/naming.h"

namespace lamina {
namespace {

SymbolicTensor only(const Layer& layer, SymbolicTensors tensors, const std::string& what) {
  if (tensors.size() == 1) return std::move(tensors.front());
  if (layer.outputs().empty()) {
    throw ValueError("The layer " + layer.name() +
                     " has never been called and thus has no defined " + what + ".");
  }
  throw ValueError(layers::in_words(layer) + ": has " + std::to_string(tensors.size()) + " " +
                   what + "s; use `" + what + "s` to get all of them.");
}

}  // namespace

SymbolicTensors Layer::inputs() const {
  const std::shared_ptr<layers::Node> node = layers::Access::first_node(*this);
  return node ? node->inputs : SymbolicTensors{};
}

SymbolicTensors Layer::outputs() const {
  const std::shared_ptr<layers::Node> node = layers::Access::first_node(*this);
  return node ? layers::Access::outputs(node) : SymbolicTensors{};
}

SymbolicTensor Layer::input() const {
  return only(*this, inputs(), "input");
}

SymbolicTensor Layer::output() const {
  return only(*this, outputs(), "output");
}

LayerRef::LayerRef(LayerPtr layer) : layer_(std::move(layer)) {
  if (!layer_) throw ValueError("A layer was expected, and a null pointer given.");
  (void)layer_->name();
}

LayerRef::LayerRef(const SymbolicTensor& placeholder) {
  const auto refuse = [](const std::string& what) {
    throw ValueError(
        "Only instances of `keras.Layer` can be added to a Sequential model. Received: " + what);
  };
  if (!placeholder.defined()) refuse("an undefined tensor.");
  const layers::Node& node = *layers::Access::node(placeholder);
  if (!layers::is_placeholder(node)) refuse("what layer '" + node.layer->name() + "' gives.");
  layer_ = node.layer;
}

}  // namespace lamina
