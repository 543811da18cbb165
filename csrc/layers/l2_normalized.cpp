#include "layers/l2_normalized.h"

#include "layers/axes.h"

namespace lamina::layers {

// The sum is limited before its root is taken: so the gradient at 0 is x's factor, where that of
// Keras's JAX is NaN.
graph::ValueId l2_normalized(graph::Builder& builder, graph::ValueId x,
                             std::vector<std::size_t> axes, double least) {
  const DType narrow = builder.dtype(x), wide = statistics_dtype(narrow);
  const graph::ValueId values = builder.cast(x, wide);
  std::vector<std::int64_t> dims = builder.shape(values).dims();
  for (const std::size_t axis : axes) dims.at(axis) = 1;
  const graph::ValueId squares = builder.binary(ops::Binary::kMultiply, values, values);
  const graph::ValueId sum = builder.sum(squares, std::move(axes), Shape(std::move(dims)));
  const graph::ValueId limit =
      builder.emit(ops::ParamValue{{{1}, wide}}, {}, {constant_param({least * least}, wide)});
  const graph::ValueId inverse = builder.activation(
      builder.binary(ops::Binary::kMaximum, sum, limit), {ops::Unary::kInverseRoot});
  return builder.cast(builder.binary(ops::Binary::kMultiply, values, inverse), narrow);
}

}  // namespace lamina::layers
