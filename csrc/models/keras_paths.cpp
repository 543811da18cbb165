#include "models/keras_paths.h"

#include <algorithm>
#include <deque>
#include <unordered_set>

#include "core/naming.h"
#include "models/keras_reserved.h"
#include "models/model_cast.h"
#include "models/training_parts.h"

namespace lamina::models {
namespace {

using weights::NodeId;
using weights::WeightEdge;
using weights::WeightNode;

// One name of an object: what stands there is a layer, a list, the property `layers`, or the
// optimizer.
struct Member {
  std::string name;
  const Attribute* attribute;  // null for `layers` and for the optimizer
  const std::vector<LayerPtr>* layers;
  const Optimizer* optimizer = nullptr;
};

class Namer {
 public:
  explicit Namer(const Model& root) {
    // Of a model with thousands of layers most lie directly in it.
    const std::size_t expected = root.layers().size() + 1;
    out_.nodes.reserve(expected);
    out_.tree.nodes.reserve(expected);
    add(root);
  }

  NamedWeights run() {
    for (; !open_.empty(); open_.pop_front()) {
      const auto [layer, id] = open_.front();
      std::vector<WeightEdge> edges = edges_of(*layer);
      out_.tree.nodes[id].edges = std::move(edges);
    }
    return std::move(out_);
  }

 private:
  NodeId add(const Layer& layer) {
    const auto [it, fresh] = out_.nodes.emplace(&layer, out_.tree.nodes.size());
    if (!fresh) return it->second;
    WeightNode node{WeightNode::Kind::kLayer, layer.name(), layer.repr(), layer.built(), {}, {}};
    std::vector<VariablePtr> variables = layer.own_variables();
    node.variables.reserve(variables.size());
    for (VariablePtr& variable : variables) {
      node.variables.push_back({std::to_string(node.variables.size()), std::move(variable)});
    }
    out_.tree.nodes.push_back(std::move(node));
    const bool leads_on = as_model_(layer) != nullptr || !layer.attributes().empty();
    if (leads_on) open_.emplace_back(&layer, it->second);
    return it->second;
  }

  NodeId add(const Optimizer& optimizer) {
    const auto [it, fresh] = optimizers_.emplace(&optimizer, out_.tree.nodes.size());
    if (!fresh) return it->second;
    std::string repr = "<";
    repr.append(optimizer.class_name()).append(" name=").append(optimizer.name()).append(">");
    WeightNode node{WeightNode::Kind::kOptimizer, optimizer.name(), std::move(repr), true, {}, {}};
    for (const VariablePtr& variable : optimizer.variables()) {
      node.variables.push_back({std::to_string(node.variables.size()), variable});
    }
    const NodeId id = it->second;
    out_.tree.nodes.push_back(std::move(node));
    if (const OptimizerPtr inner = optimizer.inner_optimizer()) {
      const NodeId inner_id = add(*inner);
      out_.tree.nodes[id].edges.push_back({"inner_optimizer", inner_id});
    }
    return id;
  }

  std::vector<WeightEdge> edges_of(const Layer& layer) {
    const Model* model = as_model_(layer);
    const bool layers_first =
        model != nullptr && dynamic_cast<const SubclassedModel*>(model) == nullptr;
    const std::vector<LayerPtr> layers = model ? model->layers() : std::vector<LayerPtr>{};
    std::vector<Member> members = attributes_of(layer, model != nullptr);
    if (model != nullptr && !layers_first) {
      const auto at = std::find_if(members.begin(), members.end(), [](const Member& member) {
        return attribute_before("layers", member.name);
      });
      members.insert(at, {"layers", nullptr, &layers});
    } else if (layers_first) {
      members.insert(members.begin(), {"layers", nullptr, &layers});
    }
    if (model != nullptr && model->training_parts()) {
      const auto first = members.begin() + (layers_first ? 1 : 0);
      const auto at = std::find_if(first, members.end(), [](const Member& member) {
        return attribute_before("optimizer", member.name);
      });
      members.insert(at, {"optimizer", nullptr, nullptr, model->training_parts()->optimizer.get()});
    }
    std::vector<WeightEdge> edges;
    edges.reserve(layers.size() + members.size());
    for (const Member& member : members) add_edges(member, edges);
    return edges;
  }

  static std::vector<Member> attributes_of(const Layer& layer, bool is_model) {
    std::vector<Member> members;
    for (const Attribute& attribute : layer.attributes()) {
      if (is_reserved_attribute(attribute.name, is_model)) {
        throw ValueError("Layer '" + layer.name() + "' (" + layer.class_name() +
                         "): the attribute name '" + attribute.name +
                         "' belongs to Keras, which would not save what it holds. " +
                         "Please use another name.");
      }
      const auto same = std::find_if(members.begin(), members.end(), [&](const Member& member) {
        return member.name == attribute.name;
      });
      if (same != members.end()) members.erase(same);  // assigned again: only the last one is there
      members.push_back({attribute.name, &attribute, nullptr});
    }
    std::stable_sort(members.begin(), members.end(), [](const Member& a, const Member& b) {
      return attribute_before(a.name, b.name);
    });
    return members;
  }

  void add_edges(const Member& member, std::vector<WeightEdge>& edges) {
    if (member.optimizer != nullptr) {
      edges.push_back({member.name, add(*member.optimizer)});
    } else if (member.attribute == nullptr) {
      NameTable names;
      for (const LayerPtr& layer : *member.layers) {
        add_element(member.name, *layer, names, edges);
      }
    } else if (const auto* layer = std::get_if<LayerPtr>(&member.attribute->value)) {
      if (*layer != nullptr) edges.push_back({member.name, add(**layer)});
    } else if (const auto& list =
                   std::get<std::shared_ptr<AttributeList>>(member.attribute->value)) {
      std::unordered_set<const AttributeList*> seen;
      add_list(member.name, *list, seen, edges);
    }
  }

  void add_element(const std::string& path, const Layer& layer, NameTable& names,
                   std::vector<WeightEdge>& edges) {
    // A name is used up even where the object has been reached before.
    const std::string name = names.unique(snake_case_of(layer.class_name()));
    std::string whole;
    whole.reserve(path.size() + 1 + name.size());
    whole.append(path).append(1, '/').append(name);
    edges.push_back({std::move(whole), add(layer)});
  }

  void add_list(const std::string& path, const AttributeList& list,
                std::unordered_set<const AttributeList*>& seen, std::vector<WeightEdge>& edges) {
    if (!seen.insert(&list).second) return;  // a list that holds itself
    NameTable names;
    for (const Attribute& item : list.items) {
      if (const auto* layer = std::get_if<LayerPtr>(&item.value)) {
        if (*layer != nullptr) add_element(path, **layer, names, edges);
      } else if (const auto& inner = std::get<std::shared_ptr<AttributeList>>(item.value)) {
        add_list(path + "/" + names.unique("container"), *inner, seen, edges);
      }
    }
  }

  /// Neighbours are often of one class.
  const std::string& snake_case_of(std::string class_name) {
    if (class_name != last_class_) {
      last_snake_case_ = to_snake_case(class_name);
      last_class_ = std::move(class_name);
    }
    return last_snake_case_;
  }

  NamedWeights out_;
  ModelCast as_model_;
  std::string last_class_, last_snake_case_;
  std::unordered_map<const Optimizer*, NodeId> optimizers_;
  std::deque<std::pair<const Layer*, NodeId>> open_;
};

}  // namespace

bool attribute_before(const std::string& a, const std::string& b) {
  const auto key = [](const std::string& name) {
    return name.starts_with('_') ? "~" + name : name;
  };
  return key(a) < key(b);
}

NamedWeights name_weights(const Model& model, TrainingState state) {
  NamedWeights named = Namer(model).run();
  if (state == TrainingState::kLeftOut || !model.training_parts() ||
      model.training_parts()->state.empty()) {
    return named;
  }
  named.tree.nodes.front().edges.push_back({kTrainingStatePath, named.tree.nodes.size()});
  named.tree.nodes.push_back({WeightNode::Kind::kLayer,
                              "training",
                              "<training state>",
                              true,
                              model.training_parts()->state,
                              {}});
  return named;
}

}  // namespace lamina::models
