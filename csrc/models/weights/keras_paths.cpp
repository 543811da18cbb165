#include "models/weights/keras_paths.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <unordered_set>

#include "core/naming.h"
#include "layers/access.h"
#include "models/weights/access.h"
#include "models/weights/keras_reserved.h"
#include "models/weights/layer_list.h"
#include "models/weights/model_cast.h"
#include "models/weights/training_parts.h"

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

/// Asks for what naming will read of the layers after the `i`-th. Naming ten thousand layers waits
/// for memory more than it computes, and counting a variable's owners keeps the processor from
/// looking ahead by itself. Inline, since GCC leaves out calls of functions that only prefetch.
[[gnu::always_inline]] inline void look_ahead(const std::vector<LayerPtr>& layers, std::size_t i) {
  constexpr std::size_t kLine = 64, kStep = 8;  // one step for each object that leads to the next
  const auto at = [&](std::size_t steps) -> const Layer* {
    const std::size_t place = i + steps * kStep;
    return place < layers.size() ? layers[place].get() : nullptr;
  };
  if (const Layer* layer = at(3)) {
    const auto* bytes = reinterpret_cast<const char*>(layer);
    for (std::size_t k = 0; k < sizeof(Layer); k += kLine) __builtin_prefetch(bytes + k);
  }
  if (const Layer* layer = at(2);
      layer != nullptr && layers::Access::own_variable_count(*layer) > 0) {
    __builtin_prefetch(&layers::Access::own_variable(*layer, 0));
  }
  if (const Layer* layer = at(1)) {
    for (std::size_t k = 0; k < layers::Access::own_variable_count(*layer); ++k) {
      // The count of its owners lies just before it.
      __builtin_prefetch(
          reinterpret_cast<const char*>(layers::Access::own_variable(*layer, k).get()) - 1, 1);
    }
  }
}

/// Most objects have less than ten variables, and there may be tens of thousands of objects.
std::string key_of(std::size_t variable) {
  if (variable < 10) return std::string(1, static_cast<char>('0' + variable));
  return std::to_string(variable);
}

class Namer {
 public:
  explicit Namer(const Model& root) {
    // Of a model with thousands of layers most lie directly in it.
    const std::size_t expected = LayerList(root).get().size() + 1;
    out_.nodes.reserve(expected);
    out_.tree.nodes.reserve(expected);
    add(root, root.class_name());
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
  NodeId add(const Layer& layer, std::string class_name) {
    const auto [id, fresh] = out_.nodes.add(&layer);
    if (!fresh) return id;
    WeightNode& node = out_.tree.nodes.emplace_back();
    node.name = layer.name();
    node.class_name = std::move(class_name);
    node.built = layer.built();
    const std::size_t variables = layers::Access::own_variable_count(layer);
    node.variables.reserve(variables);
    for (std::size_t i = 0; i < variables; ++i) {
      node.variables.push_back({key_of(i), layers::Access::own_variable(layer, i)});
    }
    const bool leads_on = as_model_(layer) != nullptr || !layer.attributes().empty();
    if (leads_on) open_.emplace_back(&layer, id);
    return id;
  }

  NodeId add(const Optimizer& optimizer) {
    const auto [id, fresh] = out_.nodes.add(&optimizer);
    if (!fresh) return id;
    WeightNode& node = out_.tree.nodes.emplace_back();
    node.kind = WeightNode::Kind::kOptimizer;
    node.name = optimizer.name();
    node.class_name = optimizer.class_name();
    for (const VariablePtr& variable : optimizer.variables()) {
      node.variables.push_back({key_of(node.variables.size()), variable});
    }
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
    const std::optional<LayerList> layers =
        model != nullptr ? std::optional<LayerList>(*model) : std::nullopt;
    std::vector<Member> members = attributes_of(layer, model != nullptr);
    if (model != nullptr && !layers_first) {
      const auto at = std::find_if(members.begin(), members.end(), [](const Member& member) {
        return attribute_before("layers", member.name);
      });
      members.insert(at, {"layers", nullptr, &layers->get()});
    } else if (layers_first) {
      members.insert(members.begin(), {"layers", nullptr, &layers->get()});
    }
    if (model != nullptr && Access::training_parts(*model)) {
      out_.compiled.push_back(model);
      const auto first = members.begin() + (layers_first ? 1 : 0);
      const auto at = std::find_if(first, members.end(), [](const Member& member) {
        return attribute_before("optimizer", member.name);
      });
      members.insert(
          at, {"optimizer", nullptr, nullptr, Access::training_parts(*model)->optimizer.get()});
    }
    std::vector<WeightEdge> edges;
    edges.reserve((layers ? layers->get().size() : 0) + members.size());
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
      members.push_back({attribute.name, &attribute, nullptr});
    }
    std::stable_sort(members.begin(), members.end(), [](const Member& a, const Member& b) {
      return attribute_before(a.name, b.name);
    });
    // Of one that was assigned again only the last is there.
    const auto kept =
        std::unique(members.rbegin(), members.rend(),
                    [](const Member& a, const Member& b) { return a.name == b.name; });
    members.erase(members.begin(), kept.base());
    return members;
  }

  void add_edges(const Member& member, std::vector<WeightEdge>& edges) {
    if (member.optimizer != nullptr) {
      edges.push_back({member.name, add(*member.optimizer)});
    } else if (member.attribute == nullptr) {
      core::NameTable names;
      for (std::size_t i = 0; i < member.layers->size(); ++i) {
        look_ahead(*member.layers, i);
        add_element(member.name, *(*member.layers)[i], names, edges);
      }
    } else if (const auto* layer = std::get_if<LayerPtr>(&member.attribute->value)) {
      if (*layer != nullptr) edges.push_back({member.name, add(**layer, (*layer)->class_name())});
    } else if (const auto& list =
                   std::get<std::shared_ptr<AttributeList>>(member.attribute->value)) {
      std::unordered_set<const AttributeList*> seen;
      add_list(member.name, *list, seen, edges);
    }
  }

  void add_element(const std::string& path, const Layer& layer, core::NameTable& names,
                   std::vector<WeightEdge>& edges) {
    std::string class_name = layer.class_name();
    // A name is used up even where the object has been reached before.
    std::string whole = element_path(path, snake_case_of(class_name), names);
    edges.push_back({std::move(whole), add(layer, std::move(class_name))});
  }

  static std::string element_path(const std::string& list, const std::string& base,
                                  core::NameTable& names) {
    constexpr std::size_t kNumber = 8;
    std::string path;
    path.reserve(list.size() + 1 + base.size() + kNumber);
    path.append(list).append(1, '/');
    names.append(base, path);
    return path;
  }

  void add_list(const std::string& path, const AttributeList& list,
                std::unordered_set<const AttributeList*>& seen, std::vector<WeightEdge>& edges) {
    if (!seen.insert(&list).second) return;  // a list that holds itself
    core::NameTable names;
    for (const Attribute& item : list.items) {
      if (const auto* layer = std::get_if<LayerPtr>(&item.value)) {
        if (*layer != nullptr) add_element(path, **layer, names, edges);
      } else if (const auto& inner = std::get<std::shared_ptr<AttributeList>>(item.value)) {
        add_list(element_path(path, "container", names), *inner, seen, edges);
      }
    }
  }

  /// Neighbours are often of one class.
  const std::string& snake_case_of(const std::string& class_name) {
    if (class_name != last_class_) {
      last_snake_case_ = core::to_snake_case(class_name);
      last_class_ = class_name;
    }
    return last_snake_case_;
  }

  NamedWeights out_;
  ModelCast as_model_;
  std::string last_class_, last_snake_case_;
  std::deque<std::pair<const Layer*, NodeId>> open_;
};

}  // namespace

bool is_of_optimizer(std::string_view vars_path) {
  constexpr std::string_view kAttribute = "/optimizer/";
  for (std::size_t at = vars_path.find(kAttribute); at != vars_path.npos;
       at = vars_path.find(kAttribute, at + 1)) {
    // There it would be a layer, of a class "Optimizer".
    if (!vars_path.substr(0, at).ends_with("/layers")) return true;
  }
  return false;
}

bool attribute_before(const std::string& a, const std::string& b) {
  const auto key = [](const std::string& name) {
    return name.starts_with('_') ? "~" + name : name;
  };
  return key(a) < key(b);
}

NamedWeights name_weights(const Model& model, TrainingState state) {
  NamedWeights named = Namer(model).run();
  if (state == TrainingState::kLeftOut || !Access::training_parts(model) ||
      Access::training_parts(model)->state.empty()) {
    return named;
  }
  named.tree.nodes.front().edges.push_back({kTrainingStatePath, named.tree.nodes.size()});
  named.tree.nodes.push_back({WeightNode::Kind::kLayer,
                              "training",
                              "TrainingState",
                              true,
                              Access::training_parts(model)->state,
                              {}});
  return named;
}

}  // namespace lamina::models
