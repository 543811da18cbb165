// What axes are reduced to.
#include "layers/operations/reduction.h"

#include <algorithm>
#include <numeric>

#include "layers/axes.h"
#include "layers/masks.h"
#include "layers/operations/joining.h"
#include "layers/operations/operations.h"
#include "layers/operations/parts.h"
#include "layers/operations/promotion.h"

namespace lamina::layers {

using ops::Reduce;

Reduction::Reduction(OperationForm form, std::initializer_list<std::string_view> options,
                     Operands operands)
    : Operation(std::move(form), operands, options),
      axes_(integers("axis")),
      keepdims_(flag("keepdims")) {}

Shape Reduction::shape(const Shapes& x) const {
  return without(x.at(0), reduced_axes(x[0].rank()), keepdims_);
}

Reduction::Axis Reduction::reduced_axes(std::size_t rank) const {
  if (axes_) return axis_indices(*axes_, rank);
  Axis all(rank);
  std::iota(all.begin(), all.end(), std::size_t{0});
  return all;
}

Reduction::Axis Reduction::kept_axes(std::size_t rank) const {
  const Axis reduced = reduced_axes(rank);
  Axis out;
  for (std::size_t i = 0; i < rank; ++i) {
    if (!std::binary_search(reduced.begin(), reduced.end(), i)) out.push_back(i);
  }
  return out;
}

Shape Reduction::without(const Shape& x, const Axis& reduced, bool keepdims) {
  Shape out;
  for (std::size_t i = 0; i < x.rank(); ++i) {
    const bool gone = std::binary_search(reduced.begin(), reduced.end(), i);
    if (!gone) out.push_back(x.dims()[i]);
    if (gone && keepdims) out.push_back(1);
  }
  return out;
}

ValueId Reduction::reduce(Builder& builder, ValueId x, Reduce::Kind kind, bool keepdims) const {
  Axis reduced = reduced_axes(builder.shape(x).rank());
  Shape to = without(builder.shape(x), reduced, keepdims);
  if (reduced.empty()) return x;
  const ops::TensorSpec& from = builder.spec(x);
  return builder.emit(Reduce{kind, from, {std::move(to), from.dtype}, std::move(reduced)}, {x});
}

ValueId Reduction::variance(Builder& builder, ValueId x, DType dtype) const {
  const ValueId wide = builder.cast(x, promoted(dtype, DType::kFloat32));
  const ValueId mean = reduce(builder, wide, Reduce::Kind::kMean, true);
  const ValueId rest = builder.binary(ops::Binary::kSubtract, wide, mean);
  const ValueId squares = builder.activation(rest, {ops::Unary::kSquare});
  return reduce(builder, squares, Reduce::Kind::kMean, keepdims());
}

ValueId Reduction::product(Builder& builder, ValueId x, const ops::TensorSpec& result) const {
  const ColumnView view(builder, x, kept_axes(builder.shape(x).rank()));
  ValueId y = view.value();
  while (builder.shape(y)[0] > 1) {
    const std::int64_t size = builder.shape(y)[0], half = size / 2;
    const ValueId halves = builder.binary(ops::Binary::kMultiply, cropped(builder, y, 0, 0, half),
                                          cropped(builder, y, 0, half, half));
    y = size % 2 == 0 ? halves : joined(builder, {halves, cropped(builder, y, 0, size - 1, 1)}, 0);
  }
  if (builder.shape(y)[0] == 0) return constant(builder, 1, result);
  return builder.reshape(y, result.shape);
}

ValueId Reduction::extreme(Builder& builder, ValueId x, bool least) const {
  const DType dtype = builder.dtype(x);
  ValueId y = x;
  // Whatever has no arithmetic of its own has its place among wide floats.
  if (dtype == DType::kBool || (least && !is_floating(dtype))) {
    y = builder.cast(y, DType::kFloat64);
  }
  if (least) y = negated(builder, y);
  y = reduce(builder, y, Reduce::Kind::kMax, keepdims());
  if (least) y = negated(builder, y);
  return builder.cast(y, dtype);
}

DType Reduction::dtype_of_extreme(DType dtype, bool least) const {
  if (least && !is_floating(dtype) && dtype_size(dtype) == 8) {
    unsupported("a tensor of integers of 64 bits");
  }
  return dtype;
}

nlohmann::json reduction_config(const ops::ReducedAxes& axis, bool keepdims) {
  return {{"axis", axes_to_config(axis)}, {"keepdims", keepdims}};
}

namespace {

class Mean final : public Reduction {
 public:
  explicit Mean(OperationForm form) : Reduction(std::move(form)) {}

 protected:
  [[nodiscard]] DType dtype(const DTypes& x) const override { return promoted_with_float(x.at(0)); }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    return reduce(builder, builder.cast(x[0], result(builder, x).dtype), Reduce::Kind::kMean,
                  keepdims());
  }
};

class Sum final : public Reduction {
 public:
  explicit Sum(OperationForm form) : Reduction(std::move(form)) {}

 protected:
  [[nodiscard]] DType dtype(const DTypes& x) const override { return dtype_of_sum(x.at(0)); }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    return reduce(builder, builder.cast(x[0], result(builder, x).dtype), Reduce::Kind::kSum,
                  keepdims());
  }
};

/// Var and Std.
class Spread final : public Reduction {
 public:
  Spread(OperationForm form, bool root) : Reduction(std::move(form)), root_(root) {}

 protected:
  [[nodiscard]] DType dtype(const DTypes& x) const override { return promoted_with_float(x.at(0)); }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    const DType dtype = result(builder, x).dtype;
    const ValueId y = variance(builder, x[0], dtype);
    return builder.cast(root_ ? builder.activation(y, {ops::Unary::kSqrt}) : y, dtype);
  }

 private:
  bool root_;
};

class Prod final : public Reduction {
 public:
  explicit Prod(OperationForm form)
      : Reduction(std::move(form), {"axis", "keepdims", "dtype"}), given_(dtype_option("dtype")) {}

 protected:
  [[nodiscard]] DType dtype(const DTypes& x) const override {
    const DType dtype = given_.value_or(dtype_of_sum(x.at(0)));
    if (dtype == DType::kBool) unsupported("a product that is a bool");
    return dtype;
  }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    const ops::TensorSpec to = result(builder, x);
    return product(builder, builder.cast(x[0], to.dtype), to);
  }

 private:
  std::optional<DType> given_;
};

class CountNonzero final : public Reduction {
 public:
  explicit CountNonzero(OperationForm form) : Reduction(std::move(form), {"axis"}) {}

 protected:
  [[nodiscard]] DType dtype(const DTypes&) const override { return DType::kInt32; }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    return reduce(builder, mask_numbers(builder, x[0], DType::kInt32), Reduce::Kind::kSum, false);
  }
};

/// Max and Min.
class Extreme final : public Reduction {
 public:
  Extreme(OperationForm form, bool least) : Reduction(std::move(form)), least_(least) {}

 protected:
  [[nodiscard]] DType dtype(const DTypes& x) const override {
    return dtype_of_extreme(x.at(0), least_);
  }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    return extreme(builder, x[0], least_);
  }

 private:
  bool least_;
};

/// Ptp: from the least to the greatest.
class Range final : public Reduction {
 public:
  explicit Range(OperationForm form) : Reduction(std::move(form)) {}

 protected:
  [[nodiscard]] DType dtype(const DTypes& x) const override {
    if (!is_floating(x.at(0))) unsupported("a tensor of integers");
    return x[0];
  }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    return builder.binary(ops::Binary::kSubtract, extreme(builder, x[0], false),
                          extreme(builder, x[0], true));
  }
};

/// Any and All.
class Quantifier final : public Reduction {
 public:
  Quantifier(OperationForm form, bool all) : Reduction(std::move(form)), all_(all) {}

 protected:
  [[nodiscard]] DType dtype(const DTypes&) const override { return DType::kBool; }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    Axis reduced = reduced_axes(builder.shape(x[0]).rank());
    if (reduced.empty()) return builder.cast(x[0], DType::kBool);
    if (!all_) return any(builder, x[0], std::move(reduced), keepdims());
    const ValueId wrong = logical_not(builder, x[0]);
    return logical_not(builder, any(builder, wrong, std::move(reduced), keepdims()));
  }

 private:
  bool all_;
};

}  // namespace

OperationRows reduction_operations() {
  return {operation_row<Mean>("Mean", kNumpyOps),
          operation_row<Sum>("Sum", kNumpyOps),
          operation_row<Prod>("Prod", kNumpyOps),
          operation_row<Spread>("Var", kNumpyOps, false),
          operation_row<Spread>("Std", kNumpyOps, true),
          operation_row<Extreme>("Max", kNumpyOps, false),
          operation_row<Extreme>("Amax", kNumpyOps, false),
          operation_row<Extreme>("Min", kNumpyOps, true),
          operation_row<Extreme>("Amin", kNumpyOps, true),
          operation_row<Range>("Ptp", kNumpyOps),
          operation_row<CountNonzero>("CountNonzero", kNumpyOps),
          operation_row<Quantifier>("Any", kNumpyOps, false),
          operation_row<Quantifier>("All", kNumpyOps, true)};
}

}  // namespace lamina::layers

namespace lamina::ops {
namespace {

SymbolicTensor reduced(std::string_view class_name, const SymbolicTensor& x,
                       const ReducedAxes& axis, bool keepdims) {
  nlohmann::json config = layers::reduction_config(axis, keepdims);
  if (class_name == "Max" || class_name == "Min") config["initial"] = nullptr;
  if (class_name == "Prod") config["dtype"] = nullptr;
  return layers::call_operation(class_name, x, std::move(config));
}

}  // namespace

SymbolicTensor mean(const SymbolicTensor& x, const ReducedAxes& axis, bool keepdims) {
  return reduced("Mean", x, axis, keepdims);
}
SymbolicTensor sum(const SymbolicTensor& x, const ReducedAxes& axis, bool keepdims) {
  return reduced("Sum", x, axis, keepdims);
}
SymbolicTensor max(const SymbolicTensor& x, const ReducedAxes& axis, bool keepdims) {
  return reduced("Max", x, axis, keepdims);
}
SymbolicTensor min(const SymbolicTensor& x, const ReducedAxes& axis, bool keepdims) {
  return reduced("Min", x, axis, keepdims);
}
SymbolicTensor var(const SymbolicTensor& x, const ReducedAxes& axis, bool keepdims) {
  return reduced("Var", x, axis, keepdims);
}
SymbolicTensor prod(const SymbolicTensor& x, const ReducedAxes& axis, bool keepdims) {
  return reduced("Prod", x, axis, keepdims);
}
SymbolicTensor amax(const SymbolicTensor& x, const ReducedAxes& axis, bool keepdims) {
  return reduced("Amax", x, axis, keepdims);
}
SymbolicTensor amin(const SymbolicTensor& x, const ReducedAxes& axis, bool keepdims) {
  return reduced("Amin", x, axis, keepdims);
}
SymbolicTensor ptp(const SymbolicTensor& x, const ReducedAxes& axis, bool keepdims) {
  return reduced("Ptp", x, axis, keepdims);
}
SymbolicTensor std(const SymbolicTensor& x, const ReducedAxes& axis, bool keepdims) {
  return reduced("Std", x, axis, keepdims);
}
SymbolicTensor any(const SymbolicTensor& x, const ReducedAxes& axis, bool keepdims) {
  return reduced("Any", x, axis, keepdims);
}
SymbolicTensor all(const SymbolicTensor& x, const ReducedAxes& axis, bool keepdims) {
  return reduced("All", x, axis, keepdims);
}

SymbolicTensor count_nonzero(const SymbolicTensor& x, const ReducedAxes& axis) {
  return layers::call_operation("CountNonzero", x, {{"axis", layers::axes_to_config(axis)}});
}

}  // namespace lamina::ops
