// Where the largest or the smallest element is, and what is at a place alone.
#include "layers/masks.h"
#include "layers/operations/operations.h"
#include "layers/operations/parts.h"
#include "layers/operations/promotion.h"
#include "layers/operations/reduction.h"

namespace lamina::layers {
namespace {

using ops::Binary;
using ops::Reduce;

/// Argmax and Argmin: the first of several; NaN before all else.
class Place final : public Reduction {
 public:
  Place(OperationForm form, bool least) : Reduction(std::move(form)), least_(least) {
    const auto axes = integers("axis");
    if (axes && axes->size() != 1) unsupported("an `axis` that is a list");
  }

 protected:
  [[nodiscard]] DType dtype(const DTypes& x) const override {
    if (least_ && !is_floating(x.at(0)) && dtype_size(x[0]) == 8) {
      unsupported("a tensor of integers of 64 bits");
    }
    return DType::kInt32;
  }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& ids) const override {
    const ops::TensorSpec to = result(builder, ids);
    Shape shape = builder.shape(ids[0]);
    std::size_t axis = 0;
    if (option("axis").is_null()) {
      shape = {shape.size()};
    } else {
      axis = reduced_axes(shape.rank())[0];
    }
    const std::int64_t count = shape.dims()[axis];
    if (count == 0) fail("attempt to find a place in an empty axis.");
    const ValueId found = found_in(builder, builder.reshape(ids[0], shape), axis);
    // The first has the largest number.
    const auto number = [&](std::int64_t value) {
      return constant(builder, static_cast<double>(value), DType::kInt32);
    };
    const ValueId from_behind =
        builder.binary(Binary::kSubtract, number(count),
                       counted(builder, count, axis, shape.rank(), DType::kInt32));
    const ValueId first = most(
        builder, builder.binary(Binary::kMultiply, builder.cast(found, DType::kInt32), from_behind),
        axis);
    return builder.reshape(builder.binary(Binary::kSubtract, number(count), first), to.shape);
  }

 private:
  [[nodiscard]] static ValueId most(Builder& builder, ValueId x, std::size_t axis) {
    Reduce op{Reduce::Kind::kMax, builder.spec(x), builder.spec(x), {axis}};
    op.y.shape[static_cast<std::int64_t>(axis)] = 1;
    return builder.emit(std::move(op), {x});
  }
  /// 1 where the wanted element stands, else 0.
  [[nodiscard]] ValueId found_in(Builder& builder, ValueId x, std::size_t axis) const {
    const DType dtype = builder.dtype(x);
    // Whatever has no arithmetic of its own has its place among wide floats.
    if (dtype == DType::kBool || (least_ && !is_floating(dtype))) {
      x = builder.cast(x, DType::kFloat64);
    }
    if (least_) x = negated(builder, x);
    const ValueId best = builder.binary(Binary::kEqual, x, most(builder, x, axis));
    if (!is_floating(dtype)) return best;
    const ValueId number = builder.binary(Binary::kEqual, x, x);
    const ValueId is_nan = builder.activation(number, {ops::Unary::kScaleShift, -1, 1});
    const ValueId any_nan = most(builder, is_nan, axis);
    // Where there is one, nothing else counts.
    const ValueId others = builder.activation(any_nan, {ops::Unary::kScaleShift, -1, 1});
    return builder.binary(Binary::kMaximum, builder.binary(Binary::kMultiply, best, others),
                          is_nan);
  }

  bool least_;
};

/// 1 at the place that an integer names of a new axis, else 0; none where it names no place.
class OneHot final : public Operation {
 public:
  explicit OneHot(OperationForm form)
      : Operation(std::move(form), Operands::kTensor, {"num_classes", "axis", "dtype", "sparse"}),
        classes_(integer("num_classes", -1)),
        given_(dtype_option("dtype")) {
    if (classes_ < 0) unsupported("option 'num_classes'");
    if (flag("sparse")) unsupported("a sparse tensor");
    (void)integer("axis", -1);
  }

 protected:
  [[nodiscard]] Shape shape(const Shapes& x) const override { return with_axis(x.at(0), classes_); }
  [[nodiscard]] DType dtype(const DTypes& x) const override {
    if (is_floating(x.at(0))) unsupported("a tensor of floats");
    return given_.value_or(DType::kFloat32);
  }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& ids) const override {
    const ops::TensorSpec to = result(builder, ids);
    const ValueId x = builder.cast(ids[0], DType::kInt64);
    const Shape shape = builder.shape(x);
    const ValueId places =
        counted(builder, classes_, place(shape.rank()), to.shape.rank(), DType::kInt64);
    return builder.cast(
        builder.binary(Binary::kEqual, builder.reshape(x, with_axis(shape, 1)), places), to.dtype);
  }

 private:
  [[nodiscard]] std::size_t place(std::size_t rank) const {
    const std::int64_t axis = integer("axis", -1);
    if (axis < -1 || axis >= static_cast<std::int64_t>(rank)) {
      fail("axis must be -1 or between [0, " + std::to_string(rank) + "), but received " +
           std::to_string(axis) + ".");
    }
    return axis < 0 ? rank : static_cast<std::size_t>(axis);
  }
  [[nodiscard]] Shape with_axis(const Shape& shape, std::int64_t size) const {
    std::vector<std::int64_t> dims = shape.dims();
    dims.insert(dims.begin() + static_cast<std::ptrdiff_t>(place(dims.size())), size);
    return Shape(std::move(dims));
  }

  std::int64_t classes_;
  std::optional<DType> given_;
};

}  // namespace

OperationRows place_operations() {
  return {operation_row<Place>("Argmax", kNumpyOps, false),
          operation_row<Place>("Argmin", kNumpyOps, true),
          operation_row<OneHot>("OneHot", kNeuralOps)};
}

}  // namespace lamina::layers

namespace lamina::ops {
namespace {

SymbolicTensor place(std::string_view class_name, const SymbolicTensor& x,
                     const std::optional<std::int64_t>& axis, bool keepdims) {
  nlohmann::json config = {{"axis", nullptr}, {"keepdims", keepdims}};
  if (axis) config["axis"] = *axis;
  return layers::call_operation(class_name, x, std::move(config));
}

}  // namespace

SymbolicTensor argmax(const SymbolicTensor& x, std::optional<std::int64_t> axis, bool keepdims) {
  return place("Argmax", x, axis, keepdims);
}
SymbolicTensor argmin(const SymbolicTensor& x, std::optional<std::int64_t> axis, bool keepdims) {
  return place("Argmin", x, axis, keepdims);
}
SymbolicTensor one_hot(const SymbolicTensor& x, std::int64_t num_classes, std::int64_t axis,
                       std::optional<DType> dtype) {
  return layers::call_operation(
      "OneHot", x,
      {{"num_classes", num_classes},
       {"axis", axis},
       {"dtype", layers::dtype_to_config(dtype.value_or(DType::kFloat32))},
       {"sparse", false}});
}

}  // namespace lamina::ops
