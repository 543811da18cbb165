#pragma once
#include <lamina/layer.h>

namespace lamina::layers {

/// The policy of layers that are given none (`set_dtype_policy`).
[[nodiscard]] DTypePolicy current_dtype_policy();

}  // namespace lamina::layers
