#pragma once
#include "graph/builder.h"

// Products of attention by heads, of which some may share a key and a value: so many heads one
// after another have the group's. Their rows are those of one product, so that nothing is repeated.
namespace lamina::layers {

/// q (batch, heads, targets, size) times k (batch, groups, sources, size), transposed and scaled:
/// (batch, heads, targets, sources) of `dtype`.
[[nodiscard]] graph::ValueId grouped_scores(graph::Builder& builder, graph::ValueId q,
                                            graph::ValueId k, double scale, DType dtype);
/// Weights (batch, heads, targets, sources) times v (batch, groups, sources, size): (batch,
/// targets, heads, size) of `dtype`.
[[nodiscard]] graph::ValueId grouped_values(graph::Builder& builder, graph::ValueId weights,
                                            graph::ValueId v, DType dtype);

}  // namespace lamina::layers
