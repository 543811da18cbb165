// Sizes of vectors, and what is divided by them.
#include <cmath>

#include "layers/axes.h"
#include "layers/operations/operations.h"
#include "layers/operations/parts.h"
#include "layers/operations/promotion.h"
#include "layers/operations/reduction.h"

namespace lamina::layers {
namespace {

using graph::Builder;
using graph::ValueId;
using nlohmann::json;
using ops::Reduce;
using ops::Unary;

class Logsumexp final : public Reduction {
 public:
  explicit Logsumexp(OperationForm form) : Reduction(std::move(form)) {}

 protected:
  [[nodiscard]] DType dtype(const DTypes& x) const override { return promoted_with_float(x.at(0)); }
  /// The largest is taken off first, unless it is infinite, and has no part in the gradient.
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& ids) const override {
    const ops::TensorSpec to = result(builder, ids);
    const ValueId x = builder.cast(ids[0], to.dtype);
    ValueId most = reduce(builder, x, Reduce::Kind::kMax, true);
    most = builder.binary(ops::Binary::kKeep, most, finite(builder, most));
    most = builder.activation(most, {Unary::kStopGradient});
    const ValueId rest = builder.binary(ops::Binary::kSubtract, x, most);
    const ValueId sum = reduce(builder, builder.activation(rest, {Unary::kExponential}),
                               Reduce::Kind::kSum, keepdims());
    return builder.binary(ops::Binary::kAdd, builder.activation(sum, {Unary::kLog}),
                          builder.reshape(most, to.shape));
  }
};

/// Of vectors along one axis, or of all elements of several.
class Norm final : public Reduction {
 public:
  explicit Norm(OperationForm form) : Reduction(std::move(form), {"ord", "axis", "keepdims"}) {
    const json& given = option("ord");
    const bool frobenius = given == json("fro");
    if (!given.is_null() && !given.is_number() && !frobenius) {
      unsupported("option 'ord'");
    }
    if (given.is_number()) order_ = given.get<double>();
    const auto axes = integers("axis");
    if (frobenius && axes && axes->size() == 1) {
      fail("Invalid `ord` argument for vector norm. Received: ord=fro");
    }
    if (given.is_number() && !(axes && axes->size() == 1)) {
      unsupported("an `ord` that is a number, of what is not one axis,");
    }
  }

 protected:
  [[nodiscard]] DType dtype(const DTypes& x) const override { return promoted_with_float(x.at(0)); }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& ids) const override {
    const DType dtype = result(builder, ids).dtype;
    const ValueId x = builder.cast(ids[0], dtype);
    const auto sum = [&](ValueId y) { return reduce(builder, y, Reduce::Kind::kSum, keepdims()); };
    if (order_ == 2) {
      return builder.activation(sum(builder.activation(x, {Unary::kSquare})), {Unary::kSqrt});
    }
    if (order_ == 0) {
      const ValueId zero = builder.binary(ops::Binary::kEqual, x, constant(builder, 0, dtype));
      return sum(builder.activation(zero, {Unary::kScaleShift, -1, 1}));
    }
    const ValueId size = builder.activation(x, {Unary::kAbsolute});
    if (std::isinf(order_)) {
      const auto turned = [&](ValueId y) { return order_ < 0 ? negated(builder, y) : y; };
      return turned(reduce(builder, turned(size), Reduce::Kind::kMax, keepdims()));
    }
    if (order_ == 1) return sum(size);
    const double order = rounded({order_}, dtype)[0], inverse = rounded({1 / order_}, dtype)[0];
    return builder.activation(sum(builder.activation(size, {Unary::kPower, order})),
                              {Unary::kPower, inverse});
  }

 private:
  double order_ = 2;
};

/// x / max(norm(x), epsilon); of order 2 as Keras has it, by the root of the norm's square.
class Normalize final : public Operation {
 public:
  explicit Normalize(OperationForm form)
      : Operation(std::move(form), Operands::kTensor, {"axis", "order", "epsilon"}),
        order_(integer("order", 2)),
        epsilon_(number("epsilon", kEpsilon)) {
    (void)integers("axis");
    if (order_ < 1) {
      fail("Argument `order` must be an int >= 1. Received: order=" + std::to_string(order_));
    }
  }

 protected:
  [[nodiscard]] Shape shape(const Shapes& x) const override {
    (void)axes(x.at(0).rank());
    return x[0];
  }
  [[nodiscard]] DType dtype(const DTypes& x) const override {
    if (!is_floating(x.at(0))) unsupported("a tensor of integers");
    return x[0];
  }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& ids) const override {
    const ValueId x = ids[0];
    const DType dtype = builder.dtype(x);
    const auto bounded = [&](ValueId y, ops::Binary kind, double by) {
      return builder.binary(kind, y, constant(builder, by, dtype));
    };
    if (order_ == 2) {
      const ValueId squares = sum(builder, builder.activation(x, {Unary::kSquare}));
      const ValueId inverse = bounded(builder.activation(squares, {Unary::kRsqrt}),
                                      ops::Binary::kMinimum, 1 / epsilon_);
      return builder.binary(ops::Binary::kMultiply, x, inverse);
    }
    const auto order = static_cast<double>(order_);
    ValueId norm = builder.activation(x, {Unary::kAbsolute});
    if (order_ != 1) norm = builder.activation(norm, {Unary::kPower, order});
    norm = sum(builder, norm);
    if (order_ != 1) {
      norm = builder.activation(norm, {Unary::kPower, rounded({1 / order}, dtype)[0]});
    }
    return builder.binary(ops::Binary::kDivide, x, bounded(norm, ops::Binary::kMaximum, epsilon_));
  }

 private:
  static constexpr double kEpsilon = 1e-7;  // keras.config.epsilon()

  [[nodiscard]] std::vector<std::size_t> axes(std::size_t rank) const {
    if (option("axis").is_null() && form().config.contains("axis")) {
      unsupported("an `axis` that is None");
    }
    const auto given = integers("axis").value_or(std::vector<std::int64_t>{-1});
    // To Keras those are norms of matrices.
    if (order_ != 2 && given.size() != 1) unsupported("an `order` other than 2 of several axes");
    return axis_indices(given, rank);
  }
  [[nodiscard]] ValueId sum(Builder& builder, ValueId x) const {
    const std::vector<std::size_t> along = axes(builder.shape(x).rank());
    Shape to = builder.shape(x);
    for (const std::size_t axis : along) to[static_cast<std::int64_t>(axis)] = 1;
    return builder.sum(x, along, std::move(to));
  }

  std::int64_t order_;
  double epsilon_;
};

}  // namespace

OperationRows norm_operations() {
  return {operation_row<Logsumexp>("Logsumexp", kMathOps),
          operation_row<Norm>("Norm", kLinearAlgebraOps),
          operation_row<Normalize>("Normalize", kNeuralOps)};
}

}  // namespace lamina::layers

namespace lamina::ops {

using layers::axes_to_config;
using layers::call_operation;

SymbolicTensor logsumexp(const SymbolicTensor& x, const ReducedAxes& axis, bool keepdims) {
  return call_operation("Logsumexp", x, {{"axis", axes_to_config(axis)}, {"keepdims", keepdims}});
}
SymbolicTensor norm(const SymbolicTensor& x, const std::optional<Operand>& ord,
                    const ReducedAxes& axis, bool keepdims) {
  nlohmann::json config = {
      {"ord", nullptr}, {"axis", axes_to_config(axis)}, {"keepdims", keepdims}};
  if (ord) config["ord"] = layers::number_to_config(*ord);
  return call_operation("Norm", x, std::move(config));
}
SymbolicTensor normalize(const SymbolicTensor& x, const layers::Axes& axis, std::int64_t order,
                         std::optional<double> epsilon) {
  nlohmann::json config = {{"axis", axes_to_config(axis)}, {"order", order}, {"epsilon", nullptr}};
  if (epsilon) config["epsilon"] = *epsilon;
  return call_operation("Normalize", x, std::move(config));
}

}  // namespace lamina::ops
