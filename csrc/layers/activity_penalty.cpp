#include "layers/activity_penalty.h"

#include <numeric>

#include "layers/axes.h"

namespace lamina::layers {
namespace {

graph::ValueId scaled(graph::Builder& builder, graph::ValueId x, double factor) {
  return builder.activation(x, {ops::Unary::kScaleShift, factor, 0});
}

// relu(x) + relu(-x): its derivative at 0 is 0, as Keras's.
graph::ValueId absolute(graph::Builder& builder, graph::ValueId x) {
  const graph::ValueId above = builder.activation(x, ops::relu());
  const graph::ValueId below = builder.activation(scaled(builder, x, -1), ops::relu());
  return builder.binary(ops::Binary::kAdd, above, below);
}

/// factor * sum(x), a scalar.
graph::ValueId scaled_sum(graph::Builder& builder, graph::ValueId x, double factor) {
  std::vector<std::size_t> axes(builder.shape(x).rank());
  std::iota(axes.begin(), axes.end(), std::size_t{0});
  return scaled(builder, builder.sum(x, std::move(axes), {}), factor);
}

}  // namespace

void penalize(graph::Builder& builder, graph::ValueId y, const Regularizer& regularizer) {
  if (!is_floating(builder.dtype(y))) return;
  const Shape& shape = builder.shape(y);
  const double samples = shape.rank() == 0 ? 1.0 : static_cast<double>(shape[0]);
  const graph::ValueId x = builder.cast(y, statistics_dtype(builder.dtype(y)));
  if (regularizer.l1() != 0) {
    builder.add_penalty(scaled_sum(builder, absolute(builder, x), regularizer.l1() / samples));
  }
  if (regularizer.l2() != 0) {
    const graph::ValueId square = builder.binary(ops::Binary::kMultiply, x, x);
    builder.add_penalty(scaled_sum(builder, square, regularizer.l2() / samples));
  }
}

}  // namespace lamina::layers
