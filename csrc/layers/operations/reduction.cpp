// What axes are reduced to.
#include <algorithm>
#include <numeric>

#include "layers/masks.h"
#include "layers/operations/operations.h"
#include "layers/operations/promotion.h"

namespace lamina::layers {
namespace {

using Axis = std::vector<std::size_t>;
using ops::Reduce;

class Reduction : public Operation {
 public:
  explicit Reduction(OperationForm form,
                     std::initializer_list<std::string_view> options = {"axis", "keepdims"})
      : Operation(std::move(form), Operands::kTensor, options),
        axes_(integers("axis")),
        keepdims_(flag("keepdims")) {}

 protected:
  [[nodiscard]] Shape shape(const Shapes& x) const final {
    const Axis reduced = reduced_axes(x.at(0).rank());
    return without(x[0], reduced, keepdims_);
  }
  /// None given: all.
  [[nodiscard]] Axis reduced_axes(std::size_t rank) const {
    if (axes_) return axis_indices(*axes_, rank);
    Axis all(rank);
    std::iota(all.begin(), all.end(), std::size_t{0});
    return all;
  }
  [[nodiscard]] static Shape without(const Shape& x, const Axis& reduced, bool keepdims) {
    Shape out;
    for (std::size_t i = 0; i < x.rank(); ++i) {
      const bool gone = std::binary_search(reduced.begin(), reduced.end(), i);
      if (!gone) out.push_back(x.dims()[i]);
      if (gone && keepdims) out.push_back(1);
    }
    return out;
  }
  /// x, whose dtype the result has.
  [[nodiscard]] ValueId reduce(Builder& builder, ValueId x, Reduce::Kind kind,
                               bool keepdims) const {
    Axis reduced = reduced_axes(builder.shape(x).rank());
    Shape to = without(builder.shape(x), reduced, keepdims);
    if (reduced.empty()) return x;
    const ops::TensorSpec& from = builder.spec(x);
    return builder.emit(Reduce{kind, from, {std::move(to), from.dtype}, std::move(reduced)}, {x});
  }
  [[nodiscard]] bool keepdims() const noexcept { return keepdims_; }

 private:
  std::optional<std::vector<std::int64_t>> axes_;
  bool keepdims_;
};

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
  [[nodiscard]] DType dtype(const DTypes& x) const override {
    if (is_floating(x.at(0)) || dtype_size(x[0]) >= 4) return x[0];
    return x[0] == DType::kUInt8 || x[0] == DType::kUInt16 ? DType::kUInt32 : DType::kInt32;
  }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    return reduce(builder, builder.cast(x[0], result(builder, x).dtype), Reduce::Kind::kSum,
                  keepdims());
  }
};

/// The mean of the squares of what is left without the mean, computed in a wide float.
class Var final : public Reduction {
 public:
  explicit Var(OperationForm form) : Reduction(std::move(form)) {}

 protected:
  [[nodiscard]] DType dtype(const DTypes& x) const override { return promoted_with_float(x.at(0)); }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    const DType dtype = result(builder, x).dtype;
    const ValueId wide = builder.cast(x[0], promoted(dtype, DType::kFloat32));
    const ValueId mean = reduce(builder, wide, Reduce::Kind::kMean, true);
    const ValueId rest = builder.binary(ops::Binary::kSubtract, wide, mean);
    const ValueId squares = builder.activation(rest, {ops::Unary::kSquare});
    return builder.cast(reduce(builder, squares, Reduce::Kind::kMean, keepdims()), dtype);
  }
};

/// Max and Min.
class Extreme final : public Reduction {
 public:
  Extreme(OperationForm form, bool least)
      : Reduction(std::move(form), {"axis", "keepdims"}), least_(least) {}

 protected:
  [[nodiscard]] DType dtype(const DTypes& x) const override {
    if (least_ && !is_floating(x.at(0)) && dtype_size(x[0]) == 8) {
      unsupported("a tensor of integers of 64 bits");
    }
    return x.at(0);
  }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    const DType dtype = builder.dtype(x[0]);
    const ops::Activation negative{ops::Unary::kScaleShift, -1, 0};
    ValueId y = x[0];
    // Whatever has no arithmetic of its own has its place among wide floats.
    if (dtype == DType::kBool || (least_ && !is_floating(dtype))) {
      y = builder.cast(y, DType::kFloat64);
    }
    if (least_) y = builder.activation(y, negative);
    y = reduce(builder, y, Reduce::Kind::kMax, keepdims());
    if (least_) y = builder.activation(y, negative);
    return builder.cast(y, dtype);
  }

 private:
  bool least_;
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
          operation_row<Var>("Var", kNumpyOps),
          operation_row<Extreme>("Max", kNumpyOps, false),
          operation_row<Extreme>("Min", kNumpyOps, true),
          operation_row<Quantifier>("Any", kNumpyOps, false),
          operation_row<Quantifier>("All", kNumpyOps, true)};
}

}  // namespace lamina::layers

namespace lamina::ops {
namespace {

SymbolicTensor reduced(std::string_view class_name, const SymbolicTensor& x,
                       const ReducedAxes& axis, bool keepdims) {
  nlohmann::json config = {{"axis", layers::axes_to_config(axis)}, {"keepdims", keepdims}};
  if (class_name == "Max" || class_name == "Min") config["initial"] = nullptr;
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
SymbolicTensor any(const SymbolicTensor& x, const ReducedAxes& axis, bool keepdims) {
  return reduced("Any", x, axis, keepdims);
}
SymbolicTensor all(const SymbolicTensor& x, const ReducedAxes& axis, bool keepdims) {
  return reduced("All", x, axis, keepdims);
}

}  // namespace lamina::ops
