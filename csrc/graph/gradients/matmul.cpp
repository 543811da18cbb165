#include "graph/gradients/rules.h"

namespace lamina::graph::gradients {

// With a, b the factors as they are multiplied: the gradients are dy b' and a' dy, and their
// transposes where a factor lies transposed.
void differentiate(const ops::MatMul& op, Adjoint& at) {
  const ValueId x0 = at.input(0), x1 = at.input(1);
  const ValueId dy = at.builder.cast(at.dy, op.x0.dtype);  // of a widened product it is wide
  const auto product = [&](ValueId a, bool transpose_a, ValueId b, bool transpose_b) {
    ops::MatMul back;
    back.transpose_x0 = transpose_a;
    back.transpose_x1 = transpose_b;
    back.scale = op.scale;
    return at.builder.matmul(a, b, std::move(back), op.x0.dtype);
  };
  if (at.wants_input(0)) {
    at.give_input(0, op.transpose_x0 ? product(x1, op.transpose_x1, dy, true)
                                     : product(dy, false, x1, !op.transpose_x1));
  }
  if (at.wants_input(1)) {
    at.give_input(1, op.transpose_x1 ? product(dy, true, x0, op.transpose_x0)
                                     : product(x0, !op.transpose_x0, dy, false));
  }
}

}  // namespace lamina::graph::gradients
