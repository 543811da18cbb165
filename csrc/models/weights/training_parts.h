#pragma once
#include <lamina/optimizers.h>

#include <memory>
#include <vector>

#include "weights/weight_tree.h"

namespace lamina {
namespace training {
class Trainer;
}

namespace models {

/// What a compiled model has beside its layers.
struct TrainingParts {
  OptimizerPtr optimizer;
  /// What `compile` was given: the same, or the one that was wrapped to scale the loss.
  OptimizerPtr given;
  std::shared_ptr<training::Trainer> trainer;
  /// While `fit` runs: what it needs to go on from a save made now, under names of its own.
  std::vector<weights::WeightVariable> state;
};

/// Where a file holds that state: Keras does not look there.
inline constexpr const char* kTrainingStatePath = "lamina/training";

}  // namespace models
}  // namespace lamina
