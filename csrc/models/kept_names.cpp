#include "models/kept_names.h"

#include <unordered_set>

#include "models/model_cast.h"
#include "models/training_parts.h"

namespace lamina::models {
namespace {

/// Writes down everything that naming depends on: which objects there are, what each holds, in
/// which order, and under which attributes. Objects stand for what they never change.
class Walk {
 public:
  /// `expected`: how many layers there were the last time.
  explicit Walk(std::size_t expected) {
    layers.reserve(expected);
    seen_.reserve(expected);
  }

  void run(const Model& root) {
    visit(root);
    for (std::size_t i = 0; i < layers.size(); ++i) {
      const LayerPtr layer = layers[i];  // the list grows meanwhile
      visit(*layer);
    }
  }

  std::string structure;
  std::vector<LayerPtr> layers;  // all but the root

 private:
  template <class T>
  void put(const T& value) {
    structure.append(reinterpret_cast<const char*>(&value), sizeof value);
  }

  void visit(const Layer& layer) {
    seen_.insert(&layer);  // the root may hold itself
    put(layer.built());
    put(layer.own_variable_count());
    if (const Model* model = as_model_(layer)) {
      const std::vector<LayerPtr> inner = model->layers();
      put(inner.size());
      for (const LayerPtr& element : inner) add(element);
      if (model->training_parts()) add(*model->training_parts());
    }
    put(layer.attributes().size());
    for (const Attribute& attribute : layer.attributes()) add(attribute);
  }

  /// The names keep these variables alive, and with them their addresses.
  void add(const TrainingParts& parts) {
    for (const VariablePtr& variable : parts.optimizer->variables()) put(variable.get());
    put(parts.state.size());
    for (const weights::WeightVariable& entry : parts.state) put(entry.variable.get());
  }

  void add(const LayerPtr& layer) {
    put(layer.get());
    if (layer && seen_.insert(layer.get()).second) layers.push_back(layer);
  }

  void add(const Attribute& attribute) {
    put(attribute.name.size());
    structure += attribute.name;
    put(attribute.value.index());
    if (const auto* layer = std::get_if<LayerPtr>(&attribute.value)) return add(*layer);
    const auto& list = std::get<std::shared_ptr<AttributeList>>(attribute.value);
    put(list.get());
    if (!list || !seen_.insert(list.get()).second) return;
    put(list->items.size());
    for (const Attribute& item : list->items) add(item);
  }

  ModelCast as_model_;
  std::unordered_set<const void*> seen_;
};

}  // namespace

std::shared_ptr<const NamedWeights> KeptNames::get(const Model& model) {
  const std::lock_guard lock(mutex_);
  Walk walk(layers_.size() + 1);
  walk.structure.reserve(structure_.size());
  walk.run(model);
  if (!names_ || walk.structure != structure_) {
    names_ = std::make_shared<const NamedWeights>(name_weights(model, TrainingState::kIncluded));
    structure_ = std::move(walk.structure);
    layers_ = std::move(walk.layers);
  }
  return names_;
}

}  // namespace lamina::models
