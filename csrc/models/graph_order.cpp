#include "models/graph_order.h"

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "layers/access.h"

namespace lamina::models {
namespace {

using Key = std::pair<const layers::Node*, std::size_t>;
Key key(const SymbolicTensor& tensor) {
  return {layers::Access::node(tensor).get(), layers::Access::index(tensor)};
}

// A depth-first search that keeps its own stack: a configuration may chain a million layers.
class Search {
 public:
  explicit Search(const SymbolicTensors& inputs) {
    for (const SymbolicTensor& input : inputs) declared_.insert(key(input));
  }

  void from(const SymbolicTensor& output) {
    enter(output);
    while (!stack_.empty()) {
      auto& [node, next] = stack_.back();
      if (next < node->inputs.size()) {
        enter(node->inputs[next++]);
        continue;
      }
      finished_.insert(node.get());
      order.push_back(node);
      stack_.pop_back();
    }
  }

  std::vector<NodePtr> order;                           // inputs before what they are used for
  std::unordered_map<const Layer*, std::size_t> index;  // in the order of first sight

 private:
  void enter(const SymbolicTensor& tensor) {
    const NodePtr& node = layers::Access::node(tensor);
    if (finished_.contains(node.get())) return;
    if (!is_placeholder(tensor) && declared_.contains(key(tensor))) {
      finished_.insert(node.get());  // computed outside of this graph
      return;
    }
    index.emplace(node->layer.get(), index.size());
    stack_.emplace_back(node, 0);
  }

  std::set<Key> declared_;
  std::vector<std::pair<NodePtr, std::size_t>> stack_;
  std::unordered_set<const layers::Node*> finished_;
};

// Depths of calls and layers: the longest way to an output; a shared layer counts as its deepest
// call.
class Depths {
 public:
  explicit Depths(const std::vector<NodePtr>& order) {
    for (const NodePtr& node : order) in_graph_.insert(node.get());
    for (auto it = order.rbegin(); it != order.rend(); ++it) settle(*it);
  }

  void add_unused(const NodePtr& node) {
    if (!layers_.contains(node->layer.get())) {
      set_layer(node->layer, 0);
      node_depth(node) = 0;
    }
  }

  std::map<std::size_t, std::vector<NodePtr>, std::greater<>> nodes_by_depth() const {
    std::map<std::size_t, std::vector<NodePtr>, std::greater<>> out;
    for (const NodePtr& node : nodes_seen_) out[nodes_.at(node.get())].push_back(node);
    return out;
  }

  std::vector<LayerPtr> layers_in_order(
      const std::unordered_map<const Layer*, std::size_t>& index) const {
    const auto rank = [&](const LayerPtr& layer) {  // unused inputs (not in the index) come first
      const auto it = index.find(layer.get());
      return std::pair(-static_cast<std::ptrdiff_t>(layers_.at(layer.get())),
                       it == index.end() ? -1 : static_cast<std::ptrdiff_t>(it->second));
    };
    std::vector<LayerPtr> out = layers_seen_;
    std::stable_sort(out.begin(), out.end(),
                     [&](const LayerPtr& a, const LayerPtr& b) { return rank(a) < rank(b); });
    return out;
  }

 private:
  std::size_t& node_depth(const NodePtr& node) {
    const auto [it, fresh] = nodes_.emplace(node.get(), 0);
    if (fresh) nodes_seen_.push_back(node);
    return it->second;
  }

  void set_layer(const LayerPtr& layer, std::size_t depth) {
    const auto [it, fresh] = layers_.emplace(layer.get(), depth);
    if (fresh) layers_seen_.push_back(layer);
    it->second = depth;
  }

  void settle(const NodePtr& node) {
    std::size_t depth = node_depth(node);
    if (const auto it = layers_.find(node->layer.get()); it != layers_.end()) {
      depth = std::max(depth, it->second);
    }
    set_layer(node->layer, depth);
    nodes_[node.get()] = depth;
    for (const SymbolicTensor& input : node->inputs) {
      if (!in_graph_.contains(layers::Access::node(input).get())) continue;
      std::size_t& parent = node_depth(layers::Access::node(input));
      parent = std::max(parent, depth + 1);
    }
  }

  std::unordered_set<const layers::Node*> in_graph_;
  std::unordered_map<const layers::Node*, std::size_t> nodes_;
  std::unordered_map<const Layer*, std::size_t> layers_;
  std::vector<NodePtr> nodes_seen_;
  std::vector<LayerPtr> layers_seen_;
};

void check_connected(const Graph& graph) {
  std::set<Key> known;
  for (const SymbolicTensor& input : graph.inputs) known.insert(key(input));
  for (const NodePtr& node : graph.nodes()) {
    if (node->inputs.empty() ||
        !std::all_of(node->inputs.begin(), node->inputs.end(),
                     [&](const auto& t) { return known.contains(key(t)); })) {
      continue;
    }
    for (std::size_t i = 0; i < node->output_shapes.size(); ++i) known.emplace(node.get(), i);
  }
  for (std::size_t i = 0; i < graph.outputs.size(); ++i) {
    if (known.contains(key(graph.outputs[i]))) continue;
    throw ValueError("Output with path `" + std::to_string(i) + "` is not connected to `inputs`");
  }
}

void check_names(const Graph& graph) {
  std::unordered_map<std::string, int> uses;
  for (const LayerPtr& layer : graph.operations) ++uses[layer->name()];
  for (const LayerPtr& layer : graph.operations) {
    if (const int count = uses[layer->name()]; count > 1) {
      throw ValueError("The name \"" + layer->name() + "\" is used " + std::to_string(count) +
                       " times in the model. All operation names should be unique.");
    }
  }
}

}  // namespace

std::vector<NodePtr> Graph::nodes() const {
  std::vector<NodePtr> out;
  for (const auto& group : nodes_by_depth) out.insert(out.end(), group.begin(), group.end());
  return out;
}

std::vector<NodePtr> topological_order(const SymbolicTensors& inputs,
                                       const SymbolicTensors& outputs) {
  Search search(inputs);
  for (const SymbolicTensor& output : outputs) search.from(output);
  return std::move(search.order);
}

Graph map_graph(SymbolicTensors inputs, SymbolicTensors outputs) {
  for (const auto* tensors : {&inputs, &outputs}) {
    const std::string what = tensors == &inputs ? "inputs" : "outputs";
    if (tensors->empty()) throw ValueError("`" + what + "` argument cannot be empty.");
    for (const SymbolicTensor& tensor : *tensors) {
      if (!tensor.defined()) throw ValueError("`" + what + "` holds an undefined tensor.");
    }
  }
  Search search(inputs);
  for (const SymbolicTensor& output : outputs) search.from(output);
  Depths depths(search.order);
  for (const SymbolicTensor& input : inputs) {
    if (is_placeholder(input)) depths.add_unused(layers::Access::node(input));
  }
  Graph graph{std::move(inputs), std::move(outputs), {}, depths.layers_in_order(search.index)};
  for (auto& [depth, nodes] : depths.nodes_by_depth()) graph.nodes_by_depth.push_back(nodes);
  check_connected(graph);
  check_names(graph);
  return graph;
}

}  // namespace lamina::models
