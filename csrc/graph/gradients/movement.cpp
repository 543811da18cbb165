#include "graph/gradients/rules.h"

namespace lamina::graph::gradients {

void differentiate(const ops::Concat& op, Adjoint& at) {
  const std::int64_t total = op.y.shape.dims()[op.axis];
  std::int64_t offset = 0;
  for (std::size_t i = 0; i < op.xs.size(); ++i) {
    const std::int64_t size = op.xs[i].shape.dims()[op.axis];
    ops::Pad slice{op.y, op.xs[i], std::vector<std::int64_t>(op.y.shape.rank(), 0), {}};
    slice.after = slice.before;
    slice.before[op.axis] = -offset;
    slice.after[op.axis] = offset + size - total;
    if (at.wants_input(i)) at.give_input(i, at.builder.emit(std::move(slice), {at.dy}));
    offset += size;
  }
}

void differentiate(const ops::Pad& op, Adjoint& at) {
  ops::Pad back{op.y, op.x, op.before, op.after};
  for (std::int64_t& amount : back.before) amount = -amount;
  for (std::int64_t& amount : back.after) amount = -amount;
  at.give_input(0, at.builder.emit(std::move(back), {at.dy}));
}

void differentiate(const ops::Transpose& op, Adjoint& at) {
  std::vector<std::size_t> inverse(op.perm.size());
  for (std::size_t i = 0; i < op.perm.size(); ++i) inverse[op.perm[i]] = i;
  at.give_input(0, at.builder.transpose(at.dy, std::move(inverse)));
}

void differentiate(const ops::Reshape& op, Adjoint& at) {
  at.give_input(0, at.builder.reshape(at.dy, op.x.shape));
}

void differentiate(const ops::Gather& op, Adjoint& at) {
  if (op.flows ? !at.wants_input(1) : !at.wants_param(0)) return;
  const ValueId of_table =
      at.builder.emit(ops::GatherGradient{op, op.table()}, {at.input(0), at.dy});
  if (op.flows) {
    at.give_input(1, of_table);
  } else {
    at.give_param(0, of_table);
  }
}

void differentiate(const ops::Argsort&, Adjoint&) {}  // of integers

void differentiate(const ops::ParamValue&, Adjoint& at) {
  if (at.wants_param(0)) at.give_param(0, at.dy);
}

}  // namespace lamina::graph::gradients
