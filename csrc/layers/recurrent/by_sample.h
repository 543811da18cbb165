#pragma once
#include <lamina/layer.h>

#include "graph/builder.h"

namespace lamina::layers {

/// Whether what the layer gives for a batch is, in this mode, what it gives for each sample of it
/// alone, and so its part of the loss: then one call is as good as many. False where that is not
/// known, as of layers of one's own.
[[nodiscard]] bool goes_by_sample(const Layer& layer, const graph::Builder& builder);

}  // namespace lamina::layers
