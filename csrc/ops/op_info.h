#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "ops/spec.h"

namespace lamina::ops {

/// "Conv2D", "Dense", ...: for messages, profiles and tests.
[[nodiscard]] std::string_view op_name(const OpSpec& spec);

/// The specs of an operation's inputs, in order.
[[nodiscard]] std::vector<TensorSpec> input_specs(const OpSpec& spec);

/// The spec of an operation's output.
[[nodiscard]] const TensorSpec& output_spec(const OpSpec& spec);

/// Multiplications and additions of convolutions and products, and of their gradients; 0 of others.
[[nodiscard]] double flops(const OpSpec& spec);

/// "(1, 8, 8, 3) float32": for messages.
[[nodiscard]] std::string describe(const TensorSpec& spec);

/// "Conv2D (1, 8, 8, 3) float32 -> (1, 8, 8, 4) float32": for messages.
[[nodiscard]] std::string describe(const OpSpec& spec);

}  // namespace lamina::ops
