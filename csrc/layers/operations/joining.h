#pragma once
#include <cstddef>
#include <vector>

#include "graph/builder.h"

namespace lamina::layers {

/// Values of one dtype, alike but for `axis`, one after another along it; the only one itself.
[[nodiscard]] graph::ValueId joined(graph::Builder& builder, const std::vector<graph::ValueId>& xs,
                                    std::size_t axis);

}  // namespace lamina::layers
