#include "models/weights/legacy_layers.h"

namespace lamina::models {
namespace {

/// The order that Keras keeps for these files: by what is trainable now.
std::vector<VariablePtr> legacy_order(std::vector<VariablePtr> trainable,
                                      const std::vector<VariablePtr>& others) {
  trainable.insert(trainable.end(), others.begin(), others.end());
  return trainable;
}

}  // namespace

checkpoint::LegacyModel legacy_layers(const Model& model) {
  checkpoint::LegacyModel out;
  for (const LayerPtr& layer : model.layers()) {
    out.layers.push_back({layer->name(), legacy_order(layer->trainable_variables(),
                                                      layer->non_trainable_variables())});
  }
  out.own = model.own_variables();
  return out;
}

}  // namespace lamina::models
