#include "graph/gradients/rules.h"

namespace lamina::graph::gradients {

void differentiate(const ops::Pool2D& op, Adjoint& at) {
  const bool is_max = op.kind == ops::Pool2D::Kind::kMax;
  const std::vector<ValueId> inputs = is_max ? std::vector{at.input(0), at.dy} : std::vector{at.dy};
  at.give_input(0, at.builder.emit(ops::Pool2DGradient{op, op.x}, inputs));
}

void differentiate(const ops::Reduce& op, Adjoint& at) {
  const bool is_max = op.kind == ops::Reduce::Kind::kMax;
  const std::vector<ValueId> inputs =
      is_max ? std::vector{at.input(0), at.output(), at.dy} : std::vector{at.dy};
  at.give_input(0, at.builder.emit(ops::ReduceGradient{op, op.x}, inputs));
}

void differentiate(const ops::Resize2D& op, Adjoint& at) {
  at.give_input(0, at.builder.emit(ops::Resize2DGradient{op, op.x}, {at.dy}));
}

}  // namespace lamina::graph::gradients
