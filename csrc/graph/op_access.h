#pragma once
#include "ops/spec.h"

namespace lamina::graph {

/// The activation applied last, or nullptr where the operation has none (or adds a residual after
/// it).
[[nodiscard]] ops::Activation* trailing_activation(ops::OpSpec& spec);

}  // namespace lamina::graph
