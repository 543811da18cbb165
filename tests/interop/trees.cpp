#include "trees.h"

#include <cstring>
#include <nlohmann/json.hpp>

#include "checkpoint/checkpoint.h"

namespace lamina::interop {
namespace {

using nlohmann::json;
using weights::WeightNode;

// Poisoned, so that what a load leaves out shows.
VariablePtr variable_of(const json& description) {
  Tensor value = Tensor::empty(Shape(description.at("shape").get<std::vector<std::int64_t>>()),
                               dtype_from_name(description.at("dtype").get<std::string>()));
  if (value.nbytes() > 0) std::memset(value.raw(), 0x5a, value.nbytes());
  return std::make_shared<Variable>(description.at("key").get<std::string>(), std::move(value));
}

WeightNode node_of(const json& description) {
  WeightNode node;
  node.kind = description.value("optimizer", false) ? WeightNode::Kind::kOptimizer
                                                    : WeightNode::Kind::kLayer;
  node.name = description.at("name").get<std::string>();
  for (const json& variable : description.at("variables")) {
    node.variables.push_back({variable.at("key").get<std::string>(), variable_of(variable)});
  }
  return node;
}

}  // namespace

void copy_tree(const json& request) {
  weights::WeightTree tree;
  for (const json& description : request.at("nodes")) {
    const weights::NodeId id = tree.nodes.size();
    tree.nodes.push_back(node_of(description));
    if (id > 0) tree.nodes.front().edges.push_back({description.at("path").get<std::string>(), id});
  }
  checkpoint::load(tree, request.at("load").get<std::string>(), {});
  checkpoint::SaveRequest save;
  if (request.contains("max_shard_size"))
    save.max_shard_size = request["max_shard_size"].get<double>();
  checkpoint::save(tree, request.at("save").get<std::string>(), save);
}

}  // namespace lamina::interop
