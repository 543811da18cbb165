// What axes are reduced to of elements that are numbers.
#include <limits>

#include "layers/axes.h"
#include "layers/masks.h"
#include "layers/operations/operations.h"
#include "layers/operations/promotion.h"
#include "layers/operations/reduction.h"

namespace lamina::layers {
namespace {

using ops::Binary;
using ops::Reduce;

/// 1 where x is a number, else 0.
ValueId is_number(Builder& builder, ValueId x) {
  return builder.binary(Binary::kEqual, x, x);
}

/// Nansum and Nanmean.
class NanSum final : public Reduction {
 public:
  NanSum(OperationForm form, bool mean) : Reduction(std::move(form)), mean_(mean) {}

 protected:
  [[nodiscard]] DType dtype(const DTypes& x) const override {
    return mean_ ? promoted_with_float(x.at(0)) : dtype_of_sum(x.at(0));
  }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& ids) const override {
    const DType dtype = result(builder, ids).dtype;
    const ValueId x = builder.cast(ids[0], dtype);
    const auto sum = [&](ValueId y) { return reduce(builder, y, Reduce::Kind::kSum, keepdims()); };
    if (!is_floating(dtype)) return sum(x);
    const ValueId numbers = is_number(builder, x);
    const ValueId y = sum(builder.binary(Binary::kKeep, x, numbers));
    return mean_ ? builder.binary(Binary::kDivide, y, sum(numbers)) : y;
  }

 private:
  bool mean_;
};

class NanProd final : public Reduction {
 public:
  explicit NanProd(OperationForm form) : Reduction(std::move(form)) {}

 protected:
  [[nodiscard]] DType dtype(const DTypes& x) const override { return dtype_of_sum(x.at(0)); }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& ids) const override {
    const ops::TensorSpec to = result(builder, ids);
    ValueId x = builder.cast(ids[0], to.dtype);
    if (is_floating(to.dtype)) x = where(builder, is_number(builder, x), x, 1);
    return product(builder, x, to);
  }
};

/// Nanmax and Nanmin: NaN where there is nothing else.
class NanExtreme final : public Reduction {
 public:
  NanExtreme(OperationForm form, bool least) : Reduction(std::move(form)), least_(least) {}

 protected:
  [[nodiscard]] DType dtype(const DTypes& x) const override {
    return dtype_of_extreme(x.at(0), least_);
  }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& ids) const override {
    const ValueId x = ids[0];
    const DType dtype = builder.dtype(x);
    if (!is_floating(dtype)) return extreme(builder, x, least_);
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    const ValueId numbers = is_number(builder, x);
    const ValueId y =
        extreme(builder, where(builder, numbers, x, least_ ? kInfinity : -kInfinity), least_);
    const ValueId any = reduce(builder, numbers, Reduce::Kind::kMax, keepdims());
    // 0 that is subtracted leaves a 0 of either sign as it is.
    const ValueId nan = filled(builder, {Shape{}, dtype}, std::numeric_limits<double>::quiet_NaN());
    const ValueId none = builder.binary(Binary::kKeep, nan,
                                        builder.activation(any, {ops::Unary::kScaleShift, -1, 1}));
    return builder.binary(Binary::kSubtract, y, none);
  }

 private:
  bool least_;
};

}  // namespace

OperationRows nan_operations() {
  return {operation_row<NanSum>("Nansum", kNumpyOps, false),
          operation_row<NanSum>("Nanmean", kNumpyOps, true),
          operation_row<NanProd>("Nanprod", kNumpyOps),
          operation_row<NanExtreme>("Nanmax", kNumpyOps, false),
          operation_row<NanExtreme>("Nanmin", kNumpyOps, true)};
}

}  // namespace lamina::layers

namespace lamina::ops {
namespace {

SymbolicTensor reduced(std::string_view class_name, const SymbolicTensor& x,
                       const ReducedAxes& axis, bool keepdims) {
  return layers::call_operation(class_name, x, layers::reduction_config(axis, keepdims));
}

}  // namespace

SymbolicTensor nansum(const SymbolicTensor& x, const ReducedAxes& axis, bool keepdims) {
  return reduced("Nansum", x, axis, keepdims);
}
SymbolicTensor nanmean(const SymbolicTensor& x, const ReducedAxes& axis, bool keepdims) {
  return reduced("Nanmean", x, axis, keepdims);
}
SymbolicTensor nanprod(const SymbolicTensor& x, const ReducedAxes& axis, bool keepdims) {
  return reduced("Nanprod", x, axis, keepdims);
}
SymbolicTensor nanmax(const SymbolicTensor& x, const ReducedAxes& axis, bool keepdims) {
  return reduced("Nanmax", x, axis, keepdims);
}
SymbolicTensor nanmin(const SymbolicTensor& x, const ReducedAxes& axis, bool keepdims) {
  return reduced("Nanmin", x, axis, keepdims);
}

}  // namespace lamina::ops
