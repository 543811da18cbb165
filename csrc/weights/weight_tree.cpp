#include "weights/weight_tree.h"

#include <unordered_map>

namespace lamina::weights {
namespace {

struct Walk {
  const WeightTree& tree;
  std::unordered_set<NodeId> visited;
  std::unordered_map<std::string, NodeId> taken;
  std::vector<WeightEntry> entries;

  void visit(NodeId id, const std::string& path) {
    if (!visited.insert(id).second) return;
    std::string group = vars_path(path);
    if (const auto [it, fresh] = taken.emplace(group, id); !fresh) {
      throw ValueError("The weights of " + tree.nodes[id].repr() + " and of " +
                       tree.nodes[it->second].repr() + " would both be stored at '" + group +
                       "': rename one of the two classes.");
    }
    entries.push_back({std::move(group), id});
    for (const WeightEdge& edge : tree.nodes[id].edges) {
      visit(edge.target, path.empty() ? edge.path : path + "/" + edge.path);
    }
  }
};

}  // namespace

std::string WeightNode::repr() const {
  if (class_name.empty()) return name.empty() ? "an object" : "'" + name + "'";
  std::string out = "<" + class_name + " name=" + name;
  if (kind == Kind::kLayer) out += built ? ", built=True" : ", built=False";
  return out + ">";
}

std::string vars_path(const std::string& path) {
  return path.empty() ? "/vars" : "/" + path + "/vars";
}

std::vector<WeightEntry> save_order(const WeightTree& tree,
                                    const std::unordered_set<NodeId>& skip) {
  Walk walk{tree, skip, {}, {}};
  if (!tree.nodes.empty()) walk.visit(0, "");
  return std::move(walk.entries);
}

}  // namespace lamina::weights
