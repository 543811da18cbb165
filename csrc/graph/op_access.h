#pragma once
#include <vector>

#include "ops/spec.h"

// What passes and the plan need to know of an operation without caring which one it is.
namespace lamina::graph {

/// The specs of the values that flow in, in the order of `Op::inputs`.
[[nodiscard]] std::vector<ops::TensorSpec> input_specs(const ops::OpSpec& spec);

[[nodiscard]] const ops::TensorSpec& output_spec(const ops::OpSpec& spec);

/// How many parameter tensors the operation takes.
[[nodiscard]] std::size_t param_count(const ops::OpSpec& spec);

/// The activation applied last, or nullptr where the operation has none (or adds a residual after
/// it).
[[nodiscard]] ops::Activation* trailing_activation(ops::OpSpec& spec);

}  // namespace lamina::graph
