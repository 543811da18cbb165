#include "layers/access.h"

#include <algorithm>

namespace lamina::layers {

std::shared_ptr<Node> Access::make_node(const LayerPtr& layer, SymbolicTensors inputs,
                                        CallForm form, std::vector<Shape> output_shapes,
                                        std::vector<DType> output_dtypes) {
  auto made = std::make_shared<Node>();
  made->layer = layer;
  made->traced = std::any_of(inputs.begin(), inputs.end(),
                             [](const SymbolicTensor& input) { return node(input)->traced; });
  made->inputs = std::move(inputs);
  made->form = std::move(form);
  made->output_shapes = std::move(output_shapes);
  made->output_dtypes = std::move(output_dtypes);
  if (!made->traced) {
    // Those that are gone are looked for only where the list would grow: a layer may have many.
    std::vector<std::weak_ptr<Node>>& calls = layer->calls_;
    if (calls.size() == calls.capacity()) {
      std::erase_if(calls, [](const std::weak_ptr<Node>& call) { return call.expired(); });
      if (calls.size() > calls.capacity() / 2) calls.reserve(2 * calls.size() + 8);
    }
    calls.push_back(made);
  }
  return made;
}

std::shared_ptr<Node> Access::first_node(const Layer& layer) {
  for (const std::weak_ptr<Node>& call : layer.calls_) {
    if (std::shared_ptr<Node> node = call.lock()) return node;
  }
  return nullptr;
}

SymbolicTensor Access::output(std::shared_ptr<Node> node, std::size_t index) {
  Shape shape = node->output_shapes.at(index);
  const DType dtype = node->output_dtypes.at(index);
  return {std::move(node), index, std::move(shape), dtype};
}

SymbolicTensors Access::outputs(const std::shared_ptr<Node>& node) {
  SymbolicTensors all;
  for (std::size_t i = 0; i < node->output_shapes.size(); ++i) all.push_back(output(node, i));
  return all;
}

}  // namespace lamina::layers
