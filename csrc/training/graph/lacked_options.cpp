#include "training/graph/lacked_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

#include "layers/config/unused_options.h"

namespace lamina::training {
namespace {

/// The layers of a model, those inside others too, each once.
std::vector<LayerPtr> all_layers(const Model& model) {
  std::vector<LayerPtr> all = model.sublayers();
  std::unordered_set<const Layer*> seen;
  for (const LayerPtr& layer : all) seen.insert(layer.get());
  for (std::size_t i = 0; i < all.size(); ++i) {
    for (const LayerPtr& inner : all[i]->sublayers()) {
      if (seen.insert(inner.get()).second) all.push_back(inner);
    }
  }
  return all;
}

}  // namespace

void refuse_lacked_options(const Model& model) {
  std::unordered_set<VariablePtr> trained;
  for (VariablePtr& variable : model.trainable_variables()) trained.insert(std::move(variable));
  std::string first;
  std::size_t count = 0;
  for (const LayerPtr& layer : all_layers(model)) {
    const auto* options = dynamic_cast<const layers::UnusedOptions*>(layer.get());
    if (options == nullptr) continue;
    bool trains = false;
    for (const VariablePtr& variable : layer->variables()) {
      trains |= trained.contains(variable);
    }
    for (const layers::TrainingOption& lacked : options->lacked()) {
      const bool of_outputs = lacked.option == "activity_regularizer";
      // Another one may have been set since.
      if (of_outputs ? static_cast<bool>(layer->activity_regularizer()) : !trains) continue;
      if (count++ > 0) continue;
      first = fmt::format("Layer '{}' ({}): {} {} is not supported in training", layer->name(),
                          layer->class_name(), lacked.option, lacked.value);
    }
  }
  if (count == 0) return;
  const std::string others = count == 1 ? "" : fmt::format(", the first of {} such options", count);
  throw UnsupportedError(fmt::format("{}{}; prediction does not need it.", first, others));
}

bool has_activity_regularizers(const Model& model) {
  const std::vector<LayerPtr> layers = all_layers(model);
  return std::any_of(layers.begin(), layers.end(), [](const LayerPtr& layer) {
    return static_cast<bool>(layer->activity_regularizer());
  });
}

}  // namespace lamina::training
