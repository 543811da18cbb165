#include "models/summary/summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

#include "core/keras_bits.h"
#include "core/readable_size.h"
#include "layers/access.h"
#include "layers/operations/operations.h"
#include "models/graph_order.h"
#include "models/sublayers.h"
#include "models/summary/text_table.h"
#include "models/weights/access.h"

namespace lamina::models {
namespace {

// Without Python's comma behind a single dimension, as Keras prints shapes here.
std::string shape_text(const Shape& shape) {
  std::string out = "(";
  for (const std::int64_t dim : shape) {
    if (out.size() > 1) out += ", ";
    out += dim == kNone ? "None" : std::to_string(dim);
  }
  return out + ")";
}

std::string with_commas(std::int64_t number) {
  std::string out = std::to_string(number);
  for (std::ptrdiff_t at = static_cast<std::ptrdiff_t>(out.size()) - 3; at > 0; at -= 3) {
    out.insert(static_cast<std::size_t>(at), 1, ',');
  }
  return out;
}

std::string params_text(const Layer& layer) {
  if (layers::is_operation(layer)) return "0";
  if (!layer.built()) return "0 (unbuilt)";
  return with_commas(layer.count_params());
}

using VariableSet = std::unordered_set<const Variable*>;

// Variables that training would change: those of layers that are trainable, and inside of such
// only.
void collect_trainable(const Layer& layer, VariableSet& out) {
  if (!layer.trainable()) return;
  for (const VariablePtr& variable : layer.own_variables()) {
    if (variable->trainable()) out.insert(variable.get());
  }
  for (const LayerPtr& sublayer : sublayers(layer)) collect_trainable(*sublayer, out);
}

struct Amount {
  std::int64_t count = 0;
  double bits = 0;
  void add(const Variable& variable) {
    count += variable.shape().size();
    bits += static_cast<double>(variable.shape().size()) * core::keras_bits(variable.dtype());
  }
  [[nodiscard]] std::string str() const {
    return fmt::format("{} ({})\n", with_commas(count), core::readable_size(bits / 8));
  }
};

}  // namespace

Summary::Summary(const Model& model) : model_(model), graph_(Access::graph(model)) {
  if (graph_ == nullptr) return;
  for (const NodePtr& node : graph_->nodes()) {
    if (node->layer) calls_[node->layer.get()].push_back(node.get());
  }
  for (auto& [layer, calls] : calls_) {
    std::sort(calls.begin(), calls.end(),
              [](const auto* a, const auto* b) { return a->serial < b->serial; });
  }
}

// True when each layer is called once and feeds the next one: then nothing need be said of
// connections.
bool Summary::is_chain() const {
  if (graph_ == nullptr || dynamic_cast<const Functional*>(&model_) == nullptr) return true;
  return std::all_of(
             graph_->nodes_by_depth.begin(), graph_->nodes_by_depth.end(),
             [](const auto& nodes) { return nodes.size() == 1 && nodes[0]->inputs.size() <= 1; }) &&
         std::all_of(calls_.begin(), calls_.end(),
                     [](const auto& calls) { return calls.second.size() == 1; });
}

std::string Summary::output_shape(const Layer& layer) const {
  const auto it = calls_.find(&layer);
  if (it == calls_.end()) return "?";
  const std::vector<Shape>& shapes = it->second.back()->output_shapes;
  if (shapes.size() == 1) return shape_text(shapes[0]);
  std::string out = "[";
  for (const Shape& shape : shapes) {
    if (out.size() > 1) out += ", ";
    out += shape_text(shape);
  }
  return out + "]";
}

std::string Summary::connections(const Layer& layer) const {
  std::string out;
  const auto it = calls_.find(&layer);
  for (const layers::Node* node : it == calls_.end() ? Calls{} : it->second) {
    for (const SymbolicTensor& input : node->inputs) {
      const Layer* from = layers::Access::node(input)->layer.get();
      const Calls& calls = calls_.at(from);
      const auto call =
          std::find(calls.begin(), calls.end(), layers::Access::node(input).get()) - calls.begin();
      if (!out.empty()) out += ", ";
      out += fmt::format("{}[{}][{}]", from->name(), call, layers::Access::index(input));
    }
  }
  return out.empty() ? "-" : out;
}

std::string Summary::totals() const {
  VariableSet trainable;
  collect_trainable(model_, trainable);
  Amount all, changing, fixed;
  for (const VariablePtr& variable : model_.variables()) {
    all.add(*variable);
    (trainable.contains(variable.get()) ? changing : fixed).add(*variable);
  }
  return fmt::format(" Total params: {} Trainable params: {} Non-trainable params: {}", all.str(),
                     changing.str(), fixed.str());
}

std::string Summary::str() const {
  // The widths that Keras's table has in a line of 76.
  const bool chain = is_chain();
  TextTable table(chain ? std::vector<TextTable::Column>{{"Layer (type)", 31},
                                                         {"Output Shape", 22},
                                                         {"Param #", 13, true}}
                        : std::vector<TextTable::Column>{{"Layer (type)", 19},
                                                         {"Output Shape", 17},
                                                         {"Param #", 10, true},
                                                         {"Connected to", 17}});
  const bool functional = dynamic_cast<const Functional*>(&model_) != nullptr;
  for (const LayerPtr& layer : functional ? graph_->operations : model_.layers()) {
    std::vector<std::string> cells = {fmt::format("{} ({})", layer->name(), layer->class_name()),
                                      output_shape(*layer), params_text(*layer)};
    if (!chain) cells.push_back(connections(*layer));
    table.add(std::move(cells));
  }
  return fmt::format("Model: \"{}\"\n{}{}", model_.name(), table.str(), totals());
}

}  // namespace lamina::models

namespace lamina {

std::string Model::summary() const {
  return models::Summary(*this).str();
}

}  // namespace lamina
