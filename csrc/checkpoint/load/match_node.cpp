#include "checkpoint/load/match_node.h"

#include <fmt/format.h>

#include "checkpoint/names/python_text.h"

namespace lamina::checkpoint {
namespace {

using weights::WeightNode;

std::string never_built(const WeightNode& node, std::size_t found) {
  return fmt::format(
      "Layer '{0}' was never built and thus it doesn't have any variables. However the weights "
      "file lists "
      "{1} variables for this layer.\n"
      "In most cases, this error indicates that either:\n\n"
      "1. The layer is owned by a parent layer that implements a `build()` method, but calling the "
      "parent's `build()` method did NOT create the state of the child layer '{0}'. A `build()` "
      "method "
      "must create ALL state for the layer, including the state of any children layers.\n\n"
      "2. You need to implement the `def build_from_config(self, config)` method on layer '{0}', "
      "to "
      "specify how to rebuild it during loading. In this case, you might also want to implement "
      "the "
      "method that generates the build config at saving time, `def get_build_config(self)`. The "
      "method "
      "`build_from_config()` is meant to create the state of the layer (i.e. its variables) upon "
      "deserialization.",
      node.name, found);
}

std::string count_error(const WeightNode& node, std::size_t found) {
  if (node.variables.empty() && !node.built) return never_built(node, found);
  std::vector<std::string> names;
  for (const auto& variable : node.variables) names.push_back(variable.variable->name());
  return fmt::format(
      "Layer '{}' expected {} variables, but received {} variables during loading. Expected: {}",
      node.name, node.variables.size(), found, python_list(names));
}

std::string optimizer_warning(const WeightNode& node, std::size_t found) {
  return fmt::format(
      "Skipping variable loading for optimizer '{}', because it has {} variables whereas the saved "
      "optimizer has {} variables. {}",
      node.name, node.variables.size(), found,
      node.variables.empty() ? "This is likely because the optimizer has not been called/built yet."
                             : "");
}

std::string key_error(const WeightNode& node, const weights::WeightVariable& variable,
                      const CatalogGroup& group) {
  std::vector<std::string> keys;
  for (const auto& item : group.items) keys.push_back(item.first);
  return fmt::format("The variable '{}' of '{}' is stored as '{}', and the group holds {}.",
                     variable.variable->name(), node.name, variable.key, python_list(keys));
}

std::string shape_error(const Variable& variable, const Shape& found) {
  return fmt::format(
      "The shape of the target variable and the shape of the target value in "
      "`variable.assign(value)` must "
      "match. variable.shape={0}, Received: value.shape={1}. Target variable: <Variable path={2}, "
      "shape={0}, dtype={3}>",
      variable.shape().str(), found.str(), variable.path(), dtype_name(variable.dtype()));
}

}  // namespace

NodeMatch match_node(const WeightNode& node, const CatalogGroup& group) {
  NodeMatch out;
  if (group.count != node.variables.size()) {
    switch (node.kind) {
      case WeightNode::Kind::kOptimizer:
        out.warning = optimizer_warning(node, group.count);
        break;
      case WeightNode::Kind::kLayer:
        out.error = count_error(node, group.count);
        break;
    }
    return out;
  }
  for (const weights::WeightVariable& variable : node.variables) {
    const auto item = group.items.find(variable.key);
    if (item == group.items.end()) {
      out.error = key_error(node, variable, group);
    } else if (const h5::Dataset& dataset = *item->second.dataset; !dataset.type.dtype) {
      out.error = fmt::format("No cast function available. '{}' holds {}, which becomes no {}.",
                              dataset.path, dataset.type.description,
                              dtype_name(variable.variable->dtype()));
    } else if (dataset.shape != variable.variable->shape()) {
      out.error = shape_error(*variable.variable, dataset.shape);
    } else {
      out.assignments.push_back({variable.variable, item->second});
      continue;
    }
    out.assignments.clear();
    break;
  }
  return out;
}

}  // namespace lamina::checkpoint
