#pragma once
#include <lamina/model.h>

#include <vector>

namespace lamina::models {

/// The layers that a layer holds under attribute names, in assignment order, lists flattened, each
/// once.
[[nodiscard]] std::vector<LayerPtr> tracked_sublayers(const Layer& layer);

/// Those and, for a model, the layers of its graph before them: Keras's `_layers`.
[[nodiscard]] std::vector<LayerPtr> sublayers(const Layer& layer);

}  // namespace lamina::models
