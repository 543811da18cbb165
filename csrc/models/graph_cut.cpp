#include <lamina/layers.h>

#include <map>

#include "models/graph_order.h"

namespace lamina::models {
namespace {

using Key = std::pair<const detail::Node*, std::size_t>;

SymbolicTensor new_placeholder(const SymbolicTensor& tensor) {
  std::string name = tensor.node()->layer->name();
  if (tensor.index() > 0) name.append("_").append(std::to_string(tensor.index()));
  return layers::Input({.batch_shape = tensor.shape(),
                        .dtype = std::string(dtype_name(tensor.dtype())),
                        .name = name + "CLONE"});
}

class Cutter {
 public:
  Rewired cut(const SymbolicTensors& inputs, const SymbolicTensors& outputs) {
    Rewired out;
    for (const SymbolicTensor& input : inputs) {
      out.inputs.push_back(is_placeholder(input) ? input : new_placeholder(input));
      replaced_.emplace(Key(input.node().get(), input.index()), out.inputs.back());
    }
    for (const NodePtr& node : topological_order(inputs, outputs)) repeat(node);
    for (const SymbolicTensor& output : outputs) out.outputs.push_back(translate(output));
    return out;
  }

 private:
  void repeat(const NodePtr& node) {
    if (node->inputs.empty()) return;
    auto copy = std::make_shared<detail::Node>();
    copy->layer = node->layer;
    for (const SymbolicTensor& input : node->inputs) copy->inputs.push_back(translate(input));
    copy->output_shapes = node->output_shapes;
    copy->output_dtypes = node->output_dtypes;
    for (std::size_t i = 0; i < copy->output_shapes.size(); ++i) {
      replaced_.emplace(Key(node.get(), i),
                        SymbolicTensor(copy, i, copy->output_shapes[i], copy->output_dtypes.at(i)));
    }
  }

  SymbolicTensor translate(const SymbolicTensor& tensor) const {
    const auto it = replaced_.find({tensor.node().get(), tensor.index()});
    return it == replaced_.end() ? tensor : it->second;
  }

  std::map<Key, SymbolicTensor> replaced_;
};

}  // namespace

Rewired cut_at_inputs(const SymbolicTensors& inputs, const SymbolicTensors& outputs) {
  return Cutter().cut(inputs, outputs);
}

}  // namespace lamina::models
