#include "graph/gradients/adjoint.h"

#include <lamina/error.h>

#include "ops/elementwise.h"
#include "ops/op_info.h"

namespace lamina::graph {

void Adjoint::add(std::optional<ValueId>& sum, ValueId gradient) {
  sum = sum ? builder.binary(ops::Binary::kAdd, *sum, gradient) : gradient;
}

void Adjoint::give_input(std::size_t i, ValueId gradient) {
  add(values_.gradients[op_.inputs[i]], gradient);
}

void Adjoint::give_param(std::size_t i, ValueId gradient) {
  add(params_[i], gradient);
}

void Adjoint::through_activation(const ops::Activation& activation) {
  if (activation.kind == ops::Unary::kLinear) return;
  if (!ops::derives_from_output(activation)) refuse("behind a fused activation");
  const ops::TensorSpec spec = builder.spec(output());
  dy = builder.emit(ops::UnaryGradient{{spec, spec, activation}, true, spec}, {output(), dy});
}

ValueId Adjoint::sum_to(ValueId x, const Shape& shape) {
  const Shape& from = builder.shape(x);
  const std::size_t added = from.rank() - shape.rank();
  std::vector<std::size_t> axes;
  for (std::size_t i = 0; i < from.rank(); ++i) {
    if (from.dims()[i] != 1 && (i < added || shape.dims()[i - added] == 1)) axes.push_back(i);
  }
  return builder.sum(x, std::move(axes), shape);
}

void Adjoint::refuse(const std::string& why) const {
  throw UnsupportedError("The operation " + ops::describe(op_.spec) + " of the layer '" +
                         op_.layer + "' has no gradient " + why + ".");
}

}  // namespace lamina::graph
