#pragma once
#include <lamina/regularizers.h>

#include "graph/builder.h"

namespace lamina::layers {

/// Writes what a regularizer makes of a layer's output y, divided by the number of samples (y's
/// first axis), as one of the program's activity penalties: (l1 * sum(|y|) + l2 * sum(y^2)) / n.
/// Computed in float32, or in float64 where y is; integers are no activities and add nothing.
void penalize(graph::Builder& builder, graph::ValueId y, const Regularizer& regularizer);

}  // namespace lamina::layers
