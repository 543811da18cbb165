#include "models/weights/kept_names.h"

namespace lamina::models {

std::shared_ptr<const NamedWeights> KeptNames::get(const Model& model) {
  const std::lock_guard lock(mutex_);
  if (!names_ || !structure_.is_of(model)) {
    Structure structure(model);
    names_ = std::make_shared<const NamedWeights>(name_weights(model, TrainingState::kIncluded));
    structure_ = std::move(structure);
  }
  return names_;
}

void KeptNames::forget() {
  const std::lock_guard lock(mutex_);
  names_ = nullptr;
  structure_ = {};
}

}  // namespace lamina::models
