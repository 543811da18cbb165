#pragma once
#include <lamina/model.h>

// Layers with weights, masks and arguments of their own, in models: twins of those of zoo.py, of
// the public headers alone.
namespace lamina::interop::zoo {

[[nodiscard]] ModelPtr layers_with_weights();
[[nodiscard]] ModelPtr weights_in_functional();
/// Of ids.
[[nodiscard]] ModelPtr own_masks();
[[nodiscard]] ModelPtr own_arguments();

}  // namespace lamina::interop::zoo
