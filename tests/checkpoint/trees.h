#pragma once
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "weights/weight_tree.h"

namespace lamina::testing {

using weights::NodeId;
using weights::WeightNode;
using weights::WeightTree;

/// What a shard limit counts in.
inline constexpr double kGB = 1024.0 * 1024.0 * 1024.0;

/// Any bits, NaNs and denormals among them; a bool is 0 or 1.
inline Tensor random_tensor(std::mt19937& random, const Shape& shape, DType dtype) {
  Tensor out = Tensor::empty(shape, dtype);
  for (std::byte& b : out.bytes()) {
    b = static_cast<std::byte>(dtype == DType::kBool ? random() % 2 : random());
  }
  return out;
}

/// A tree built by hand, the root first.
class TreeBuilder {
 public:
  explicit TreeBuilder(const std::string& name = "functional") {
    tree.nodes.push_back({WeightNode::Kind::kLayer, name, "Functional", true, {}, {}});
  }

  /// A layer at `path` below `parent`, with variables named kernel, bias, w2, w3, ...
  NodeId layer(const std::string& path, const std::string& name,
               const std::vector<Tensor>& values = {}, NodeId parent = 0) {
    const NodeId id = tree.nodes.size();
    tree.nodes.push_back({WeightNode::Kind::kLayer, name, "Dense", true, {}, {}});
    for (std::size_t i = 0; i < values.size(); ++i) {
      const std::string variable = i == 0 ? "kernel" : i == 1 ? "bias" : fmt::format("w{}", i);
      auto made = std::make_shared<Variable>(variable, values[i]);
      made->set_path(name + "/" + variable);
      tree.nodes[id].variables.push_back({std::to_string(i), std::move(made)});
    }
    tree.nodes[parent].edges.push_back({path, id});
    return id;
  }

  NodeId optimizer(const std::vector<Tensor>& values) {
    const NodeId id = layer("optimizer", "adam", values);
    tree.nodes[id].kind = WeightNode::Kind::kOptimizer;
    tree.nodes[id].class_name = "Adam";
    return id;
  }

  void alias(NodeId from, const std::string& path, NodeId to) {
    tree.nodes[from].edges.push_back({path, to});
  }

  WeightTree tree;
};

/// The values of all variables, on the host, for comparing later.
inline std::vector<Tensor> snapshot(const WeightTree& tree) {
  std::vector<Tensor> out;
  for (const WeightNode& node : tree.nodes) {
    for (const auto& [key, variable] : node.variables) {
      const bool here = variable->device() == Device::cpu();
      out.push_back(here ? variable->value().clone() : variable->value().to(Device::cpu()));
    }
  }
  return out;
}

inline bool same_values(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), bitwise_equal);
}

/// The same structure with variables of its own, where those are or all at one place, all bytes
/// 0xa5 (bools: 1).
inline WeightTree poisoned_copy(const WeightTree& tree, std::optional<Device> place = {}) {
  WeightTree out = tree;
  std::map<const Variable*, VariablePtr> copies;
  for (WeightNode& node : out.nodes) {
    for (auto& variable : node.variables) {
      VariablePtr& copy = copies[variable.variable.get()];
      if (!copy) {
        const Variable& old = *variable.variable;
        Tensor value = Tensor::empty(old.shape(), old.dtype());
        if (value.nbytes() > 0) {
          std::memset(value.raw(), old.dtype() == DType::kBool ? 1 : 0xa5, value.nbytes());
        }
        copy = std::make_shared<Variable>(old.name(), std::move(value));
        copy->set_path(old.path());
        copy->to(place.value_or(old.device()));
      }
      variable.variable = copy;
    }
  }
  return out;
}

inline constexpr DType kDTypes[] = {
#define LAMINA_DTYPE(enumerator, name, type, bits, floating) DType::enumerator,
#include <lamina/dtype.def>
#undef LAMINA_DTYPE
};

/// Layers with random shapes and dtypes, nested, some shared under a second path, some without
/// variables.
inline WeightTree random_tree(std::mt19937& random, std::size_t layers) {
  TreeBuilder builder("model");
  for (std::size_t i = 0; i < layers; ++i) {
    std::vector<Tensor> values;
    for (unsigned v = random() % 4; v > 0; --v) {
      Shape shape;
      for (unsigned axis = random() % 4; axis > 0; --axis) shape.push_back(random() % 9);
      values.push_back(random_tensor(random, shape, kDTypes[random() % std::size(kDTypes)]));
    }
    const NodeId parent = random() % builder.tree.nodes.size();
    const std::string name = fmt::format("layer_{}", i);
    const NodeId made = builder.layer((parent == 0 ? "layers/" : "") + name, name, values, parent);
    if (random() % 4 == 0) builder.alias(0, "also/" + name, made);
  }
  return std::move(builder.tree);
}

}  // namespace lamina::testing
