#pragma once
#include <lamina/initializers.h>
#include <lamina/variable.h>

#include <optional>
#include <string>

namespace lamina {

/// What a weight is made of, by the names, in the order and with the defaults of Keras's
/// `add_weight`.
struct WeightOptions {
  Shape shape = {};
  std::optional<Initializer> initializer = {};  ///< none: "glorot_uniform"; of integers "zeros"
  std::string dtype = {};                       ///< empty: the policy's variable dtype
  bool trainable = true;
  Regularizer regularizer = {};
  Constraint constraint = {};
  std::string name = {};  ///< empty: "variable", "variable_1", ... Takes no part in files.
};

}  // namespace lamina
