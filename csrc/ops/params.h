#pragma once
#include <lamina/tensor.h>

#include <optional>
#include <span>
#include <vector>

#include "ops/spec.h"

namespace lamina::ops {

/// The shapes of an operation's parameters, in order.
[[nodiscard]] std::vector<Shape> param_shapes(const OpSpec& spec);

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
