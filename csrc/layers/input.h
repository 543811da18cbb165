#pragma once
#include <lamina/layer.h>

namespace lamina::layers {

/// A placeholder of an InputLayer, with a node of its own: ask once for each graph. Throws
/// ValueError when `layer` is no InputLayer.
[[nodiscard]] SymbolicTensor input_placeholder(Layer& layer);

}  // namespace lamina::layers
