#include "models/weights/kept_names.h"

namespace lamina::models {

std::shared_ptr<const NamedWeights> KeptNames::get(const Model& model) {
  Kept& kept = kept_.get();
  const std::lock_guard lock(kept.mutex);
  if (!kept.names || !kept.structure.is_of(model)) {
    Structure structure(model);
    kept.names =
        std::make_shared<const NamedWeights>(name_weights(model, TrainingState::kIncluded));
    kept.structure = std::move(structure);
  }
  return kept.names;
}

void KeptNames::forget() {
  Kept& kept = kept_.get();
  const std::lock_guard lock(kept.mutex);
  kept.names = nullptr;
  kept.structure = {};
}

}  // namespace lamina::models
