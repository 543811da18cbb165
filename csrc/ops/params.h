#pragma once
#include <lamina/tensor.h>

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ops/spec.h"

namespace lamina::ops {

/// The shapes of an operation's parameters, in order.
[[nodiscard]] std::vector<Shape> param_shapes(const OpSpec& spec);

/// The specs of an operation's inputs, in order.
[[nodiscard]] std::vector<TensorSpec> input_specs(const OpSpec& spec);

/// The spec of an operation's output.
[[nodiscard]] const TensorSpec& output_spec(const OpSpec& spec);

/// "Conv2D (1, 8, 8, 3) float32 -> (1, 8, 8, 4) float32": for messages.
[[nodiscard]] std::string describe(const OpSpec& spec);

/// The place of each parameter of a spec that can lack some.
struct ParamIndex {
  std::optional<std::size_t> gamma, beta;
  std::size_t next = 0;
  ParamIndex(bool scale, bool center) {
    if (scale) gamma = next++;
    if (center) beta = next++;
  }
};

/// Throws ValueError, naming the operation, unless `params` have the shapes that `spec` asks for.
void check_params(const OpSpec& spec, std::span<const Tensor> params);

}  // namespace lamina::ops
