#pragma once
#include <lamina/model.h>

#include <string_view>
#include <vector>

#include "models/weights/object_ids.h"
#include "weights/weight_tree.h"

namespace lamina::models {

/// A model as Keras's walk sees it, and which object became which node.
struct NamedWeights {
  weights::WeightTree tree;
  ObjectIds nodes;
  /// The model and those within it that were compiled, as long as they live.
  std::vector<const Model*> compiled;
};

/// Whether the state of a running `fit` is laid out beside what Keras knows, as the last node.
enum class TrainingState : bool { kLeftOut, kIncluded };

/// Lays the model's objects out under Keras's paths: attributes in Keras's order, elements of
/// lists named from their classes, every further way to an object kept as an alias; of a compiled
/// model its optimizer among the attributes. Throws ValueError for an attribute whose name Keras
/// reserves and would leave out of the file.
[[nodiscard]] NamedWeights name_weights(const Model& model,
                                        TrainingState state = TrainingState::kLeftOut);

/// True for the paths, in a file, of the variables of optimizers: a model's, or of those within it.
[[nodiscard]] bool is_of_optimizer(std::string_view vars_path);

/// Keras's order of attribute names: uppercase, lowercase, private.
[[nodiscard]] bool attribute_before(const std::string& a, const std::string& b);

}  // namespace lamina::models
