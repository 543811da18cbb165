#include "layers/trace.h"

#include <lamina/layers.h>

#include <unordered_map>

namespace lamina::layers {
namespace {

using Values = std::unordered_map<const detail::Node*, std::vector<graph::ValueId>>;

constexpr graph::ValueId kUnset = static_cast<graph::ValueId>(-1);

class Lowering {
 public:
  Lowering(graph::Builder& builder, const SymbolicTensors& inputs,
           const std::vector<graph::ValueId>& values)
      : builder_(builder) {
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      std::vector<graph::ValueId>& slots = values_[inputs[i].node().get()];
      slots.resize(std::max(slots.size(), inputs[i].index() + 1), kUnset);
      slots[inputs[i].index()] = values.at(i);
    }
  }

  graph::ValueId value(const SymbolicTensor& tensor) {
    const detail::Node* root = tensor.node().get();
    if (!has(tensor)) visit(root);
    return values_.at(root).at(tensor.index());
  }

 private:
  bool has(const SymbolicTensor& tensor) const {
    const auto it = values_.find(tensor.node().get());
    return it != values_.end() && tensor.index() < it->second.size() &&
           it->second[tensor.index()] != kUnset;
  }

  // Depth first with a stack of our own: graphs may be deeper than the machine's stack.
  void visit(const detail::Node* root) {
    std::vector<std::pair<const detail::Node*, std::size_t>> stack{{root, 0}};
    while (!stack.empty()) {
      auto& [node, next] = stack.back();
      if (next < node->inputs.size()) {
        const SymbolicTensor& input = node->inputs[next++];
        if (!has(input)) stack.emplace_back(input.node().get(), 0);
        continue;
      }
      emit(*node);
      stack.pop_back();
    }
  }

  void emit(const detail::Node& node) {
    if (node.inputs.empty()) {
      throw ValueError("The graph depends on the placeholder '" + node.layer->name() +
                       "', which is not among its inputs.");
    }
    std::vector<graph::ValueId> inputs;
    for (const SymbolicTensor& input : node.inputs) {
      inputs.push_back(values_.at(input.node().get()).at(input.index()));
    }
    values_[&node] = node.layer->lower(builder_, inputs);
  }

  graph::Builder& builder_;
  Values values_;
};

}  // namespace

Trace trace(const std::vector<Shape>& shapes, const std::vector<DType>& dtypes,
            const std::function<SymbolicTensors(const SymbolicTensors&)>& call) {
  Trace result;
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    result.inputs.push_back(Input({.batch_shape = shapes[i],
                                   .dtype = std::string(dtype_name(dtypes.at(i))),
                                   .name = "placeholder_" + std::to_string(i)}));
  }
  result.outputs = call(result.inputs);
  return result;
}

std::vector<graph::ValueId> lower_graph(graph::Builder& builder, const SymbolicTensors& inputs,
                                        const SymbolicTensors& outputs,
                                        const std::vector<graph::ValueId>& values) {
  Lowering lowering(builder, inputs, values);
  std::vector<graph::ValueId> results;
  for (const SymbolicTensor& output : outputs) results.push_back(lowering.value(output));
  return results;
}

}  // namespace lamina::layers
