// Sums and products of an axis's elements so far, and their differences.
#include <algorithm>

#include "layers/operations/operations.h"
#include "layers/operations/parts.h"
#include "layers/operations/promotion.h"

namespace lamina::layers {
namespace {

using graph::Builder;
using graph::ValueId;

/// Cumsum and Cumprod. Each step takes in as many elements before as there are already.
class Cumulation final : public Operation {
 public:
  Cumulation(OperationForm form, ops::Binary kind)
      : Operation(std::move(form), Operands::kTensor, {"axis", "dtype"}),
        kind_(kind),
        given_(dtype_option("dtype")) {
    (void)integer("axis", 0);
  }

 protected:
  [[nodiscard]] Shape shape(const Shapes& x) const override {
    if (option("axis").is_null()) return x.at(0).is_known() ? Shape{x[0].size()} : Shape{kNone};
    (void)axis_index(integer("axis", 0), x.at(0).rank());
    return x[0];
  }
  [[nodiscard]] DType dtype(const DTypes& x) const override {
    const DType dtype = given_.value_or(x.at(0));
    return dtype == DType::kBool ? DType::kInt32 : dtype;
  }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    const ops::TensorSpec to = result(builder, x);
    // Halves would lose the small ones among large sums.
    const DType computed = is_floating(to.dtype) ? promoted(to.dtype, DType::kFloat32) : to.dtype;
    ValueId y = builder.reshape(builder.cast(x[0], computed), to.shape);
    const std::size_t axis = axis_index(integer("axis", 0), to.shape.rank());
    for (std::int64_t step = 1; step < to.shape.dims()[axis]; step *= 2) {
      ops::Pad later;
      later.x = later.y = builder.spec(y);
      later.before.assign(to.shape.rank(), 0);
      later.after = later.before;
      later.before[axis] = step;
      later.after[axis] = -step;
      later.value = kind_ == ops::Binary::kAdd ? 0 : 1;
      y = builder.binary(kind_, y, builder.emit(std::move(later), {y}));
    }
    return builder.cast(y, to.dtype);
  }

 private:
  ops::Binary kind_;
  std::optional<DType> given_;
};

/// Each element less the one before it, n times.
class Diff final : public Operation {
 public:
  explicit Diff(OperationForm form)
      : Operation(std::move(form), Operands::kTensor, {"n", "axis"}), n_(integer("n", 1)) {
    (void)integer("axis", -1);
    if (n_ < 0) fail("Order must be non-negative but got " + std::to_string(n_));
    if (n_ > kMost) unsupported("so large an `n`");
  }

 protected:
  [[nodiscard]] Shape shape(const Shapes& x) const override {
    Shape out = x.at(0);
    std::int64_t& size = out[static_cast<std::int64_t>(axis(out))];
    if (size != kNone) size = std::max<std::int64_t>(0, size - n_);
    return out;
  }
  [[nodiscard]] DType dtype(const DTypes& x) const override {
    if (x.at(0) == DType::kBool) unsupported("a tensor of bools");
    return x[0];
  }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    const std::size_t along = axis(builder.shape(x[0]));
    ValueId y = x[0];
    for (std::int64_t i = 0; i < n_ && builder.shape(y).dims()[along] > 0; ++i) {
      const std::int64_t left = builder.shape(y).dims()[along] - 1;
      y = builder.binary(ops::Binary::kSubtract, cropped(builder, y, along, 1, left),
                         cropped(builder, y, along, 0, left));
    }
    return y;
  }

 private:
  [[nodiscard]] std::size_t axis(const Shape& x) const {
    return axis_index(integer("axis", -1), x.rank());
  }
  static constexpr std::int64_t kMost = 1000;

  std::int64_t n_;
};

}  // namespace

OperationRows cumulative_operations() {
  return {operation_row<Cumulation>("Cumsum", kNumpyOps, ops::Binary::kAdd),
          operation_row<Cumulation>("Cumprod", kNumpyOps, ops::Binary::kMultiply),
          operation_row<Diff>("Diff", kNumpyOps)};
}

}  // namespace lamina::layers

namespace lamina::ops {
namespace {

SymbolicTensor cumulated(std::string_view class_name, const SymbolicTensor& x,
                         const std::optional<std::int64_t>& axis,
                         const std::optional<DType>& dtype) {
  nlohmann::json config = {{"axis", nullptr}, {"dtype", layers::dtype_to_config(dtype)}};
  if (axis) config["axis"] = *axis;
  return layers::call_operation(class_name, x, std::move(config));
}

}  // namespace

SymbolicTensor cumsum(const SymbolicTensor& x, std::optional<std::int64_t> axis,
                      std::optional<DType> dtype) {
  return cumulated("Cumsum", x, axis, dtype);
}
SymbolicTensor cumprod(const SymbolicTensor& x, std::optional<std::int64_t> axis,
                       std::optional<DType> dtype) {
  return cumulated("Cumprod", x, axis, dtype);
}
SymbolicTensor diff(const SymbolicTensor& a, std::int64_t n, std::int64_t axis) {
  return layers::call_operation("Diff", a, {{"n", n}, {"axis", axis}});
}

}  // namespace lamina::ops
