#include "layers/operations/parts.h"

#include <numeric>

#include "layers/axes.h"
#include "layers/operations/promotion.h"

namespace lamina::layers {

using graph::Builder;
using graph::ValueId;

ValueId numbers(Builder& builder, std::vector<double> values, const ops::TensorSpec& spec) {
  const ops::TensorSpec held{{static_cast<std::int64_t>(values.size())}, DType::kFloat64};
  const ValueId all =
      builder.emit(ops::ParamValue{held}, {}, {constant_param(std::move(values), DType::kFloat64)});
  return builder.reshape(builder.cast(all, spec.dtype), spec.shape);
}

ValueId counted(Builder& builder, std::int64_t count, std::size_t axis, std::size_t rank,
                DType dtype) {
  std::vector<double> values(static_cast<std::size_t>(count));
  std::iota(values.begin(), values.end(), 0.0);
  std::vector<std::int64_t> dims(rank, 1);
  dims.at(axis) = count;
  return numbers(builder, std::move(values), {Shape(std::move(dims)), dtype});
}

ValueId negated(Builder& builder, ValueId x) {
  // x * -1 + 0 would be 0 for 0 of either sign.
  return builder.activation(x, {ops::Unary::kScaleShift, -1, -0.0});
}

ValueId finite(Builder& builder, ValueId x) {
  const ValueId nothing = builder.binary(ops::Binary::kSubtract, x, x);  // or NaN
  return builder.binary(ops::Binary::kEqual, nothing, nothing);
}

ValueId repeated_to(Builder& builder, ValueId x, const Shape& shape) {
  if (builder.shape(x) == shape) return x;
  const DType dtype = builder.dtype(x);
  // No backend adds bools.
  const DType computed = dtype == DType::kBool ? DType::kUInt8 : dtype;
  const ValueId zeros =
      constant(builder, is_floating(computed) ? -0.0 : 0, ops::TensorSpec{shape, computed});
  return builder.cast(builder.binary(ops::Binary::kAdd, builder.cast(x, computed), zeros), dtype);
}

ValueId cropped(Builder& builder, ValueId x, std::size_t axis, std::int64_t begin,
                std::int64_t size) {
  const std::int64_t whole = builder.shape(x).dims()[axis];
  if (begin == 0 && size == whole) return x;
  ops::Pad op;
  op.x = op.y = builder.spec(x);
  op.y.shape[static_cast<std::int64_t>(axis)] = size;
  op.before.assign(op.x.shape.rank(), 0);
  op.after = op.before;
  op.before[axis] = -begin;
  op.after[axis] = begin + size - whole;
  return builder.emit(std::move(op), {x});
}

Around::Around(const Shape& shape, std::size_t axis) : size(shape.dims().at(axis)) {
  for (std::size_t i = 0; i < shape.rank(); ++i) {
    if (i != axis) (i < axis ? before : behind) *= shape.dims()[i];
  }
}

ValueId gathered(Builder& builder, ValueId x, ValueId rows, std::int64_t width, Shape shape) {
  if (shape.size() == 0) return constant(builder, 0, {std::move(shape), builder.dtype(x)});
  ops::Gather op;
  op.ids = builder.spec(rows);
  op.y = {op.ids.shape, builder.dtype(x)};
  op.y.shape.push_back(width);
  op.rows = builder.shape(x).size() / width;
  op.flows = true;
  const ValueId table = builder.reshape(x, op.table().shape);
  return builder.reshape(builder.emit(std::move(op), {rows, table}), std::move(shape));
}

ValueId chosen(Builder& builder, ValueId x, std::size_t axis,
               const std::vector<std::int64_t>& indices) {
  const auto count = static_cast<std::int64_t>(indices.size());
  if (count == 0) return cropped(builder, x, axis, 0, 0);
  const Around around(builder.shape(x), axis);
  Shape shape = builder.shape(x);
  shape[static_cast<std::int64_t>(axis)] = count;
  // The rows of a table, of which each index names one for each place before the axis.
  std::vector<double> rows;
  rows.reserve(static_cast<std::size_t>(around.before * count));
  for (std::int64_t i = 0; i < around.before; ++i) {
    for (const std::int64_t index : indices) {
      rows.push_back(static_cast<double>(i * around.size + index));
    }
  }
  const ValueId ids = numbers(builder, std::move(rows), {{around.before * count}, DType::kFloat64});
  return gathered(builder, x, ids, around.behind, std::move(shape));
}

ValueId flipped(Builder& builder, ValueId x, std::size_t axis) {
  const std::int64_t size = builder.shape(x).dims()[axis];
  if (size <= 1) return x;
  std::vector<std::int64_t> indices(static_cast<std::size_t>(size));
  std::iota(indices.rbegin(), indices.rend(), std::int64_t{0});
  return chosen(builder, x, axis, indices);
}

}  // namespace lamina::layers
