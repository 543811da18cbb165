#include <lamina/layers.h>

#include <map>

#include "layers/access.h"
#include "models/graph_order.h"

namespace lamina::models {
namespace {

using Key = std::pair<const layers::Node*, std::size_t>;

SymbolicTensor new_placeholder(const SymbolicTensor& tensor) {
  std::string name = layers::Access::node(tensor)->layer->name();
  if (layers::Access::index(tensor) > 0)
    name.append("_").append(std::to_string(layers::Access::index(tensor)));
  return layers::Input({.dtype = std::string(dtype_name(tensor.dtype())),
                        .batch_shape = tensor.shape(),
                        .name = name + "CLONE"});
}

class Cutter {
 public:
  Rewired cut(const SymbolicTensors& inputs, const SymbolicTensors& outputs) {
    Rewired out;
    for (const SymbolicTensor& input : inputs) {
      out.inputs.push_back(is_placeholder(input) ? input : new_placeholder(input));
      replaced_.emplace(Key(layers::Access::node(input).get(), layers::Access::index(input)),
                        out.inputs.back());
    }
    for (const NodePtr& node : topological_order(inputs, outputs)) repeat(node);
    for (const SymbolicTensor& output : outputs) out.outputs.push_back(translate(output));
    return out;
  }

 private:
  void repeat(const NodePtr& node) {
    if (node->inputs.empty()) return;
    SymbolicTensors inputs;
    for (const SymbolicTensor& input : node->inputs) inputs.push_back(translate(input));
    const NodePtr copy = layers::Access::make_node(node->layer, std::move(inputs), node->form,
                                                   node->output_shapes, node->output_dtypes);
    for (std::size_t i = 0; i < copy->output_shapes.size(); ++i) {
      replaced_.emplace(Key(node.get(), i), layers::Access::output(copy, i));
    }
  }

  SymbolicTensor translate(const SymbolicTensor& tensor) const {
    const auto it =
        replaced_.find({layers::Access::node(tensor).get(), layers::Access::index(tensor)});
    return it == replaced_.end() ? tensor : it->second;
  }

  std::map<Key, SymbolicTensor> replaced_;
};

}  // namespace

Rewired cut_at_inputs(const SymbolicTensors& inputs, const SymbolicTensors& outputs) {
  return Cutter().cut(inputs, outputs);
}

}  // namespace lamina::models
