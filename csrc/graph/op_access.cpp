#include "graph/op_access.h"

namespace lamina::graph {
namespace {

template <class Op>
ops::Activation* activation_of(Op& op) {
  if constexpr (requires { op.residual; }) {
    if (op.residual) return nullptr;
  }
  if constexpr (requires { op.activation; }) {
    return &op.activation;
  } else {
    return nullptr;
  }
}

}  // namespace

ops::Activation* trailing_activation(ops::OpSpec& spec) {
  return std::visit([](auto& op) { return activation_of(op); }, spec);
}

}  // namespace lamina::graph
