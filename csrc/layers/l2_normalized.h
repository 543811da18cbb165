#pragma once
#include <cstddef>
#include <vector>

#include "graph/builder.h"

namespace lamina::layers {

/// x, floating, divided by the root of the sum of its squares along `axes` (sorted), or by `least`
/// where that is larger: Keras's `normalize` of order 2, `least` its epsilon.
[[nodiscard]] graph::ValueId l2_normalized(graph::Builder& builder, graph::ValueId x,
                                           std::vector<std::size_t> axes, double least);

}  // namespace lamina::layers
