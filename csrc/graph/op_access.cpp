#include "graph/op_access.h"

#include <concepts>

namespace lamina::graph {
namespace {

template <class Op>
concept HasActivation = requires(Op op) {
  { op.activation } -> std::convertible_to<ops::Activation>;
};
template <class Op>
concept HasResidual = requires(Op op) {
  { op.residual } -> std::convertible_to<bool>;
};

std::vector<ops::TensorSpec> inputs_of(const ops::BinaryOp& op) {
  return {op.x0, op.x1};
}
std::vector<ops::TensorSpec> inputs_of(const ops::Concat& op) {
  return op.xs;
}
std::vector<ops::TensorSpec> inputs_of(const ops::Gather& op) {
  return {op.ids};
}
template <class Op>
std::vector<ops::TensorSpec> inputs_of(const Op& op) {
  if constexpr (HasResidual<Op>) {
    if (op.residual) return {op.x, op.y};
  }
  return {op.x};
}

std::size_t params_of(const ops::BatchNorm& op) {
  return 2U + op.scale + op.center;
}
std::size_t params_of(const ops::LayerNorm& op) {
  return 0U + op.scale + op.center;
}
std::size_t params_of(const ops::Gather&) {
  return 1;
}
template <class Op>
std::size_t params_of(const Op& op) {
  if constexpr (requires { op.bias; }) {
    return 1U + op.bias;
  } else {
    return 0;
  }
}

template <class Op>
ops::Activation* activation_of(Op& op) {
  if constexpr (HasResidual<Op>) {
    if (op.residual) return nullptr;
  }
  if constexpr (HasActivation<Op>) {
    return &op.activation;
  } else {
    return nullptr;
  }
}

}  // namespace

std::vector<ops::TensorSpec> input_specs(const ops::OpSpec& spec) {
  return std::visit([](const auto& op) { return inputs_of(op); }, spec);
}

const ops::TensorSpec& output_spec(const ops::OpSpec& spec) {
  return std::visit([](const auto& op) -> const ops::TensorSpec& { return op.y; }, spec);
}

std::size_t param_count(const ops::OpSpec& spec) {
  return std::visit([](const auto& op) { return params_of(op); }, spec);
}

ops::Activation* trailing_activation(ops::OpSpec& spec) {
  return std::visit([](auto& op) { return activation_of(op); }, spec);
}

}  // namespace lamina::graph
