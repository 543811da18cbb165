#pragma once
#include "graph/gradients/adjoint.h"

// The gradient of each operation, as operations. A new operation needs a rule here: the compiler
// names it.
namespace lamina::graph::gradients {

#define LAMINA_OP(Op, name, dtypes, inputs) void differentiate(const ops::Op& op, Adjoint& at);
#define LAMINA_GRADIENT_OP(Op, name, dtypes, inputs)
#include "ops/ops.def"

inline constexpr const char* kSecondOrder = "of its own: gradients are of the first order";

/// What only gradients are made of keeps the operation that it is the gradient `of`, and is not
/// differentiated again.
template <class Op>
requires requires(const Op& op) {
  op.of;
}
[[noreturn]] void differentiate(const Op&, Adjoint& at) {
  at.refuse(kSecondOrder);
}

}  // namespace lamina::graph::gradients
