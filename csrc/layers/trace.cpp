#include "layers/trace.h"

#include <lamina/layers.h>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "layers/access.h"

namespace lamina::layers {
namespace {

using Values = std::unordered_map<const Node*, std::vector<graph::ValueId>>;

constexpr graph::ValueId kUnset = static_cast<graph::ValueId>(-1);

class Lowering {
 public:
  Lowering(graph::Builder& builder, const SymbolicTensors& inputs,
           const std::vector<graph::ValueId>& values, MasksOfCalls masks)
      : builder_(builder), masks_(masks) {
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      std::vector<graph::ValueId>& slots = values_[Access::node(inputs[i]).get()];
      slots.resize(std::max(slots.size(), Access::index(inputs[i]) + 1), kUnset);
      slots[Access::index(inputs[i])] = values.at(i);
    }
  }

  void lower(const Calls& calls) {
    for (const std::shared_ptr<Node>& node : calls) {
      const SymbolicTensors& inputs = node->inputs;
      const bool ready = std::all_of(inputs.begin(), inputs.end(),
                                     [this](const SymbolicTensor& input) { return has(input); });
      if (ready && !is_placeholder(*node)) emit(*node);
    }
  }

  graph::ValueId value(const SymbolicTensor& tensor) {
    const Node* root = Access::node(tensor).get();
    if (!has(tensor)) visit(root);
    return values_.at(root).at(Access::index(tensor));
  }

 private:
  bool has(const SymbolicTensor& tensor) const {
    const auto it = values_.find(Access::node(tensor).get());
    return it != values_.end() && Access::index(tensor) < it->second.size() &&
           it->second[Access::index(tensor)] != kUnset;
  }

  // Depth first with a stack of our own: graphs may be deeper than the machine's stack.
  void visit(const Node* root) {
    std::vector<std::pair<const Node*, std::size_t>> stack{{root, 0}};
    while (!stack.empty()) {
      auto& [node, next] = stack.back();
      if (next < node->inputs.size()) {
        const SymbolicTensor& input = node->inputs[next++];
        if (!has(input)) stack.emplace_back(Access::node(input).get(), 0);
        continue;
      }
      emit(*node);
      stack.pop_back();
    }
  }

  void emit(const Node& node) {
    if (is_placeholder(node)) {
      throw ValueError("The graph depends on the placeholder '" + node.layer->name() +
                       "', which is not among its inputs.");
    }
    std::vector<graph::ValueId> inputs;
    for (const SymbolicTensor& input : node.inputs) {
      inputs.push_back(values_.at(Access::node(input).get()).at(Access::index(input)));
    }
    if (masks_ == MasksOfCalls::kNone) {
      values_[&node] = Access::lower(*node.layer, builder_, inputs, node.form);
      return;
    }
    Access::NotedMasks noted{{}, keeps_mask(node), {}};
    for (const SymbolicTensor& input : node.inputs) noted.inputs.push_back(noted_mask(input));
    values_[&node] = Access::lower(*node.layer, builder_, inputs, node.form, &noted);
    noted_[&node] = std::move(noted.outputs);
  }

  /// Keras has it as an argument of the very call, and not of a copy of what that was given.
  static bool keeps_mask(const Node& node) {
    return node.inputs.size() == 1 && node.form.keywords.empty() && node.form.flags.empty() &&
           (!Access::autocasts(*node.layer) ||
            node.inputs[0].dtype() == node.layer->dtype_policy().compute);
  }
  std::optional<graph::ValueId> noted_mask(const SymbolicTensor& tensor) const {
    const auto it = noted_.find(Access::node(tensor).get());
    if (it == noted_.end() || Access::index(tensor) >= it->second.size()) return std::nullopt;
    return it->second[Access::index(tensor)];
  }

  graph::Builder& builder_;
  MasksOfCalls masks_;
  Values values_;
  std::unordered_map<const Node*, Masks> noted_;  // as calls were made
};

}  // namespace

Trace trace(const std::vector<Shape>& shapes, const std::vector<DType>& dtypes,
            const std::function<SymbolicTensors(const SymbolicTensors&)>& call) {
  Trace result;
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    result.inputs.push_back(Input({.dtype = std::string(dtype_name(dtypes.at(i))),
                                   .batch_shape = shapes[i],
                                   .name = "placeholder_" + std::to_string(i)}));
    Access::node(result.inputs.back())->traced = true;
  }
  result.outputs = call(result.inputs);
  return result;
}

Calls calls_as_made(const SymbolicTensors& outputs) {
  Calls calls;
  std::unordered_set<const Node*> seen;
  const auto enter = [&](const SymbolicTensors& tensors) {
    for (const SymbolicTensor& tensor : tensors) {
      const std::shared_ptr<Node>& node = Access::node(tensor);
      if (seen.insert(node.get()).second) calls.push_back(node);
    }
  };
  enter(outputs);
  for (std::size_t i = 0; i < calls.size(); ++i) enter(calls[i]->inputs);
  std::sort(calls.begin(), calls.end(),
            [](const auto& a, const auto& b) { return a->serial < b->serial; });
  return calls;
}

std::vector<graph::ValueId> lower_graph(graph::Builder& builder, const SymbolicTensors& inputs,
                                        const SymbolicTensors& outputs,
                                        const std::vector<graph::ValueId>& values,
                                        MasksOfCalls masks, const Calls& first) {
  Lowering lowering(builder, inputs, values, masks);
  lowering.lower(first);
  std::vector<graph::ValueId> results;
  for (const SymbolicTensor& output : outputs) results.push_back(lowering.value(output));
  return results;
}

}  // namespace lamina::layers
