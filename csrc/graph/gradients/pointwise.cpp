#include "graph/gradients/rules.h"
#include "ops/elementwise.h"

namespace lamina::graph::gradients {

void differentiate(const ops::UnaryOp& op, Adjoint& at) {
  if (ops::derives_from_output(op.activation)) {
    at.through_activation(op.activation);
    at.give_input(0, at.dy);
    return;
  }
  at.give_input(0, at.builder.emit(ops::UnaryGradient{op, false, op.x}, {at.input(0), at.dy}));
}

void differentiate(const ops::BinaryOp& op, Adjoint& at) {
  at.through_activation(op.activation);
  for (std::size_t i = 0; i < 2; ++i) {
    if (!at.wants_input(i)) continue;
    const bool passes =
        op.kind == ops::Binary::kAdd || (op.kind == ops::Binary::kSubtract && i == 0);
    const ValueId whole = passes ? at.dy
                                 : at.builder.emit(ops::BinaryGradient{op, i, op.y},
                                                   {at.input(0), at.input(1), at.dy});
    at.give_input(i, at.sum_to(whole, i == 0 ? op.x0.shape : op.x1.shape));
  }
}

void differentiate(const ops::Softmax& op, Adjoint& at) {
  at.give_input(0, at.builder.emit(ops::SoftmaxGradient{op, op.x}, {at.output(), at.dy}));
}

void differentiate(const ops::Cast& op, Adjoint& at) {
  at.give_input(0, at.builder.cast(at.dy, op.x.dtype));
}

void differentiate(const ops::Dropout& op, Adjoint& at) {
  at.give_input(0, at.builder.emit(op, {at.dy, at.input(1)}));
}

void differentiate(const ops::Noise& op, Adjoint& at) {
  const bool passes = op.kind == ops::Noise::Kind::kAdded;
  at.give_input(0, passes ? at.dy : at.builder.emit(op, {at.dy, at.input(1)}));
}

}  // namespace lamina::graph::gradients
