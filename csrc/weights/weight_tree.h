#pragma once
#include <lamina/variable.h>

#include <cstddef>
#include <string>
#include <unordered_set>
#include <vector>

namespace lamina::weights {

using NodeId = std::size_t;

/// One dataset of a node's `vars` group.
struct WeightVariable {
  std::string key;  ///< dataset name: "0", "1", ... for Keras's own layers
  VariablePtr variable;
};

/// A way from one node to another: `path` is relative ("layers/dense_1", "blocks/container/dense").
struct WeightEdge {
  std::string path;
  NodeId target;
};

/// One object of the model that Keras would walk (a layer, a model, an optimizer).
struct WeightNode {
  enum class Kind { kLayer, kOptimizer };
  Kind kind = Kind::kLayer;
  std::string name;        ///< instance name: the group's `name` attribute, and in messages
  std::string class_name;  ///< "Dense"; empty where no class is known
  bool built = true;
  std::vector<WeightVariable> variables;
  std::vector<WeightEdge> edges;  ///< in Keras's attribute order, aliases included
  bool has_name = true;  ///< false: the group gets no `name`, as in files older than Keras 3

  /// For messages, as Keras prints a layer: "<Dense name=dense, built=True>". An optimizer is
  /// "<Adam name=adam>", what has no class "'dense'" or, without a name, "an object".
  [[nodiscard]] std::string repr() const;
};

/// What a model gives to a checkpoint: its objects, their variables and every path by which Keras's
/// walk reaches them. A value that knows no layer and no file: fill one by hand to save any
/// tensors. Node 0 is the root.
struct WeightTree {
  std::vector<WeightNode> nodes;
};

/// One `vars` group that a save writes.
struct WeightEntry {
  std::string path;  ///< "/layers/dense/vars", root: "/vars"
  NodeId node;
};

/// The group path of an object at `path` ("" for the root, "layers/dense" else).
[[nodiscard]] std::string vars_path(const std::string& path);

/// The groups in Keras's save order: each node once, at the first path that reaches it, pre-order.
/// `skip` holds nodes that count as visited from the start (Keras's objects_to_skip).
/// Throws ValueError when two nodes get one path: Keras names the second `Dense` of a list as it
/// names a first `Dense_1`.
[[nodiscard]] std::vector<WeightEntry> save_order(const WeightTree& tree,
                                                  const std::unordered_set<NodeId>& skip = {});

}  // namespace lamina::weights
