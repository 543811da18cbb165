#pragma once
#include <lamina/layers.h>

#include "graph/builder.h"

namespace lamina::layers {

/// Throws ValueError for a name that is no activation of Keras, UnsupportedError for one that
/// Lamina lacks.
void check_activation(const ActivationFunction& activation);
/// False for those that need a whole axis (softmax).
[[nodiscard]] bool is_elementwise(const ActivationFunction& activation);
/// Writes the activation's operations.
[[nodiscard]] graph::ValueId lower_activation(graph::Builder& builder, graph::ValueId x,
                                              const ActivationFunction& activation);

}  // namespace lamina::layers
