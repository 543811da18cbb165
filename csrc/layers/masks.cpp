#include "layers/masks.h"

#include <algorithm>
#include <cmath>

#include "layers/axes.h"

namespace lamina::layers {
namespace {

// Logic is arithmetic of these: no backend has more for bools than to move and to convert them.
constexpr DType kLogic = DType::kFloat32;

ValueId truth(Builder& builder, ValueId x) {
  return builder.cast(x, DType::kBool);
}
ValueId logic(Builder& builder, ValueId mask) {
  return builder.cast(truth(builder, mask), kLogic);
}

/// 1 - x
ValueId inverse(Builder& builder, ValueId x) {
  return builder.activation(x, {ops::Unary::kScaleShift, -1, 1});
}

}  // namespace

ValueId not_equal(Builder& builder, ValueId x, double value) {
  if (value == 0) return truth(builder, x);
  // Integers that a double does not hold are not near any that it does.
  if (!is_floating(builder.dtype(x))) x = builder.cast(x, DType::kFloat64);
  const double rounded = Tensor::from<double>({value}, {1})
                             .cast(builder.dtype(x))
                             .cast(DType::kFloat64)
                             .data<double>()[0];
  if (std::isinf(rounded)) {  // what is subtracted from itself would be NaN, which is true
    const ValueId wanted = filled(builder, {Shape{}, builder.dtype(x)}, rounded);
    return logical_not(builder, builder.binary(ops::Binary::kEqual, x, wanted));
  }
  return truth(builder, builder.activation(x, {ops::Unary::kScaleShift, 1, -rounded}));
}

ValueId logical_not(Builder& builder, ValueId mask) {
  return truth(builder, inverse(builder, logic(builder, mask)));
}

ValueId logical_and(Builder& builder, ValueId a, ValueId b) {
  return truth(builder,
               builder.binary(ops::Binary::kMinimum, logic(builder, a), logic(builder, b)));
}

ValueId logical_or(Builder& builder, ValueId a, ValueId b) {
  return truth(builder,
               builder.binary(ops::Binary::kMaximum, logic(builder, a), logic(builder, b)));
}

ValueId any(Builder& builder, ValueId mask, std::vector<std::size_t> axes, bool keepdims) {
  const ValueId x = logic(builder, mask);
  Shape shape;
  for (std::size_t i = 0; i < builder.shape(x).rank(); ++i) {
    const bool reduced = std::find(axes.begin(), axes.end(), i) != axes.end();
    if (!reduced) shape.push_back(builder.shape(x).dims()[i]);
    if (reduced && keepdims) shape.push_back(1);
  }
  const ops::Reduce op{
      ops::Reduce::Kind::kMax, builder.spec(x), {std::move(shape), kLogic}, std::move(axes)};
  return truth(builder, builder.emit(op, {x}));
}

ValueId constant_mask(Builder& builder, const Shape& shape, bool value) {
  return truth(builder, filled(builder, {shape, kLogic}, value ? 1 : 0));
}

ValueId expand_dims(Builder& builder, ValueId mask, std::size_t axis) {
  std::vector<std::int64_t> dims = builder.shape(mask).dims();
  dims.insert(dims.begin() + static_cast<std::ptrdiff_t>(axis), 1);
  return builder.reshape(mask, Shape(std::move(dims)));
}

ValueId mask_numbers(Builder& builder, ValueId mask, DType dtype) {
  return builder.cast(truth(builder, mask), dtype);
}

ValueId kept(Builder& builder, ValueId x, ValueId mask) {
  return builder.binary(ops::Binary::kKeep, x, mask_numbers(builder, mask, builder.dtype(x)));
}

ValueId where(Builder& builder, ValueId mask, ValueId x, double other) {
  const DType dtype = builder.dtype(x);
  other = rounded({other}, dtype)[0];
  const ValueId numbers = mask_numbers(builder, mask, dtype);
  const ValueId others =
      std::isfinite(other)
          ? builder.activation(numbers, {ops::Unary::kScaleShift, -other, other})
          : kept(builder, filled(builder, {Shape{}, dtype}, other), logical_not(builder, mask));
  return builder.binary(ops::Binary::kAdd, builder.binary(ops::Binary::kKeep, x, numbers), others);
}

}  // namespace lamina::layers
