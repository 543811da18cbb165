// Functions of one tensor, element by element.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "layers/axes.h"
#include "layers/operations/operations.h"
#include "layers/operations/parts.h"
#include "layers/operations/promotion.h"

namespace lamina::layers {
namespace {

using graph::Builder;
using graph::ValueId;
using nlohmann::json;
using ops::Activation;
using ops::Unary;

/// What becomes of integers.
enum class Integers : std::uint8_t { kRefused, kMadeFloat };

class Elementwise final : public Operation {
 public:
  /// Of the options of a configuration; what these are is `options`, of which there are at most
  /// three.
  struct Kind {
    Activation (*function)(const Elementwise&);
    Integers integers = Integers::kRefused;
    std::array<std::string_view, 3> options = {};
  };
  Elementwise(OperationForm form, Kind kind)
      : Operation(std::move(form), Operands::kTensor,
                  {kind.options[0], kind.options[1], kind.options[2]}),
        kind_(kind) {
    (void)kind_.function(*this);  // refuses early what is no option
  }
  using Operation::flag;
  using Operation::number;

 protected:
  [[nodiscard]] Shape shape(const Shapes& x) const override { return x.at(0); }
  [[nodiscard]] DType dtype(const DTypes& x) const override {
    if (is_floating(x.at(0))) return x[0];
    if (kind_.integers == Integers::kRefused) unsupported("a tensor of integers");
    return DType::kFloat32;
  }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    const DType dtype = result(builder, x).dtype;
    return builder.activation(builder.cast(x[0], dtype), rounded(kind_.function(*this), dtype));
  }

 private:
  Kind kind_;
};

template <Unary kKind>
Activation plain(const Elementwise&) {
  return kKind == Unary::kRelu ? ops::relu() : Activation{kKind};
}
Activation relu6(const Elementwise&) {
  return ops::relu(0, 6);
}
Activation leaky_relu(const Elementwise& of) {
  return ops::relu(of.number("negative_slope", 0.2));
}
/// What `keras.activations.relu` makes where it is given options.
Activation relu_with_options(const Elementwise& of) {
  return ops::relu(of.number("negative_slope", 0),
                   of.number("max_value", std::numeric_limits<double>::infinity()),
                   of.number("threshold", 0));
}
Activation elu(const Elementwise& of) {
  return {Unary::kElu, of.number("alpha", 1)};
}
Activation gelu(const Elementwise& of) {
  return {of.flag("approximate") ? Unary::kGeluTanh : Unary::kGelu};
}

/// What keeps integers, made of arithmetic; of bools there is only the square.
class Kept final : public Operation {
 public:
  enum class Kind : std::uint8_t { kAbsolute, kNegative, kSquare, kSign };
  Kept(OperationForm form, Kind kind)
      : Operation(std::move(form), Operands::kTensor, {}), kind_(kind) {}

 protected:
  [[nodiscard]] Shape shape(const Shapes& x) const override { return x.at(0); }
  [[nodiscard]] DType dtype(const DTypes& x) const override {
    if (x.at(0) != DType::kBool) return x[0];
    if (kind_ != Kind::kSquare) unsupported("a tensor of bools");
    return DType::kInt32;
  }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& ids) const override {
    const DType dtype = result(builder, ids).dtype;
    const ValueId x = builder.cast(ids[0], dtype);
    if (!is_floating(dtype)) return of_integers(builder, x, dtype);
    switch (kind_) {
      case Kind::kAbsolute:
        return builder.activation(x, {Unary::kAbsolute});
      case Kind::kNegative:
        return negated(builder, x);
      case Kind::kSquare:
        return builder.activation(x, {Unary::kSquare});
      case Kind::kSign:
        return builder.activation(x, {Unary::kSign});
    }
    __builtin_unreachable();
  }

 private:
  [[nodiscard]] ValueId of_integers(Builder& builder, ValueId x, DType dtype) const {
    if (kind_ == Kind::kSquare) return builder.binary(ops::Binary::kMultiply, x, x);
    const ValueId zero = constant(builder, 0, dtype);
    if (kind_ == Kind::kSign) {
      return builder.binary(ops::Binary::kSubtract, builder.binary(ops::Binary::kGreater, x, zero),
                            builder.binary(ops::Binary::kGreater, zero, x));
    }
    const ValueId minus = builder.binary(ops::Binary::kSubtract, zero, x);
    if (kind_ == Kind::kNegative) return minus;
    const bool has_sign = dtype == DType::kInt8 || dtype == DType::kInt16 ||
                          dtype == DType::kInt32 || dtype == DType::kInt64;
    return has_sign ? builder.binary(ops::Binary::kMaximum, x, minus) : x;
  }

  Kind kind_;
};

class LogSigmoid final : public Operation {
 public:
  explicit LogSigmoid(OperationForm form) : Operation(std::move(form), Operands::kTensor, {}) {}

 protected:
  [[nodiscard]] Shape shape(const Shapes& x) const override { return x.at(0); }
  [[nodiscard]] DType dtype(const DTypes& x) const override {
    if (!is_floating(x.at(0))) unsupported("a tensor of integers");
    return x[0];
  }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    return negated(builder, builder.activation(negated(builder, x[0]), {Unary::kSoftplus}));
  }
};

/// Log2 and Log10: a quotient of logarithms.
class LogOfBase final : public Operation {
 public:
  LogOfBase(OperationForm form, double base)
      : Operation(std::move(form), Operands::kTensor, {}), base_(base) {}

 protected:
  [[nodiscard]] Shape shape(const Shapes& x) const override { return x.at(0); }
  [[nodiscard]] DType dtype(const DTypes& x) const override { return promoted_with_float(x.at(0)); }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    const DType dtype = result(builder, x).dtype;
    const ValueId y = builder.activation(builder.cast(x[0], dtype), {Unary::kLog});
    return builder.binary(ops::Binary::kDivide, y, constant(builder, std::log(base_), dtype));
  }

 private:
  double base_;
};

class Reciprocal final : public Operation {
 public:
  explicit Reciprocal(OperationForm form) : Operation(std::move(form), Operands::kTensor, {}) {}

 protected:
  [[nodiscard]] Shape shape(const Shapes& x) const override { return x.at(0); }
  [[nodiscard]] DType dtype(const DTypes& x) const override { return promoted_with_float(x.at(0)); }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    const DType dtype = result(builder, x).dtype;
    return builder.binary(ops::Binary::kDivide, constant(builder, 1, dtype),
                          builder.cast(x[0], dtype));
  }
};

/// Deg2rad and Rad2deg.
class Angle final : public Operation {
 public:
  Angle(OperationForm form, double factor)
      : Operation(std::move(form), Operands::kTensor, {}), factor_(factor) {}

 protected:
  [[nodiscard]] Shape shape(const Shapes& x) const override { return x.at(0); }
  [[nodiscard]] DType dtype(const DTypes& x) const override {
    if (is_floating(x.at(0))) return x[0];
    return x[0] == DType::kInt64 ? DType::kFloat64 : DType::kFloat32;
  }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    const DType dtype = result(builder, x).dtype;
    return builder.binary(ops::Binary::kMultiply, builder.cast(x[0], dtype),
                          constant(builder, factor_, dtype));
  }

 private:
  double factor_;
};

/// To so many decimals, what is halfway to the even neighbour; integers are so already.
class Round final : public Operation {
 public:
  explicit Round(OperationForm form)
      : Operation(std::move(form), Operands::kTensor, {"decimals"}),
        decimals_(integer("decimals", 0)) {}

 protected:
  [[nodiscard]] Shape shape(const Shapes& x) const override { return x.at(0); }
  [[nodiscard]] DType dtype(const DTypes& x) const override {
    if (!is_floating(x.at(0)) && decimals_ < 0) unsupported("integers and negative `decimals`");
    return x[0];
  }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    const DType dtype = builder.dtype(x[0]);
    if (!is_floating(dtype)) return x[0];
    if (decimals_ == 0) return builder.activation(x[0], {Unary::kRound});
    const DType wide = promoted(dtype, DType::kFloat32);
    const ValueId factor = constant(builder, std::pow(10.0, static_cast<double>(decimals_)), wide);
    ValueId y = builder.binary(ops::Binary::kMultiply, builder.cast(x[0], wide), factor);
    y = builder.binary(ops::Binary::kDivide, builder.activation(y, {Unary::kRound}), factor);
    return builder.cast(y, dtype);
  }

 private:
  std::int64_t decimals_;
};

/// Of any dtype; only floats have a gradient to stop.
class StopGradient final : public Operation {
 public:
  explicit StopGradient(OperationForm form) : Operation(std::move(form), Operands::kTensor, {}) {}

 protected:
  [[nodiscard]] Shape shape(const Shapes& x) const override { return x.at(0); }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    if (!is_floating(builder.dtype(x[0]))) return x[0];
    return builder.activation(x[0], {Unary::kStopGradient});
  }
};

/// A bound that is null is none.
class Clip final : public Operation {
 public:
  explicit Clip(OperationForm form)
      : Operation(std::move(form), Operands::kTensor, {"x_min", "x_max"}) {
    for (const char* bound : {"x_min", "x_max"}) (void)number(bound, 0);
  }

 protected:
  [[nodiscard]] Shape shape(const Shapes& x) const override { return x.at(0); }
  [[nodiscard]] DType dtype(const DTypes& x) const override {
    return x.at(0) == DType::kBool ? DType::kInt32 : x[0];
  }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    const DType dtype = result(builder, x).dtype;
    ValueId y = builder.cast(x[0], dtype);
    const auto bounded = [&](const char* bound, ops::Binary kind) {
      if (option(bound).is_null()) return;
      y = builder.binary(kind, y, constant(builder, number(bound, 0), dtype));
    };
    bounded("x_min", ops::Binary::kMaximum);
    bounded("x_max", ops::Binary::kMinimum);
    return y;
  }
};

}  // namespace

OperationRows elementwise_operations() {
  const auto row = [](std::string_view name, const char* module, Elementwise::Kind kind) {
    return operation_row<Elementwise>(name, module, kind);
  };
  constexpr Integers kFloat = Integers::kMadeFloat;
  return {
      row("Exp", kNumpyOps, {plain<Unary::kExponential>, kFloat}),
      row("Expm1", kNumpyOps, {plain<Unary::kExpm1>, kFloat}),
      row("Log", kNumpyOps, {plain<Unary::kLog>, kFloat}),
      row("Log1p", kNumpyOps, {plain<Unary::kLog1p>, kFloat}),
      row("Sqrt", kNumpyOps, {plain<Unary::kSqrt>, kFloat}),
      row("Sin", kNumpyOps, {plain<Unary::kSin>, kFloat}),
      row("Cos", kNumpyOps, {plain<Unary::kCos>, kFloat}),
      row("Tanh", kNumpyOps, {plain<Unary::kTanh>, kFloat}),
      row("Tan", kNumpyOps, {plain<Unary::kTan>, kFloat}),
      row("Arctan", kNumpyOps, {plain<Unary::kArctan>, kFloat}),
      row("Sinh", kNumpyOps, {plain<Unary::kSinh>, kFloat}),
      row("Cosh", kNumpyOps, {plain<Unary::kCosh>, kFloat}),
      row("Floor", kNumpyOps, {plain<Unary::kFloor>, kFloat}),
      row("Ceil", kNumpyOps, {plain<Unary::kCeil>, kFloat}),
      row("Rsqrt", kMathOps, {plain<Unary::kRsqrt>}),
      row("Erf", kMathOps, {plain<Unary::kErf>}),
      row("Relu", kNeuralOps, {plain<Unary::kRelu>}),
      row("Relu6", kNeuralOps, {relu6}),
      row("ReLU", "keras.src.activations.activations",
          {relu_with_options, Integers::kRefused, {"negative_slope", "max_value", "threshold"}}),
      row("LeakyRelu", kNeuralOps, {leaky_relu, Integers::kRefused, {"negative_slope"}}),
      row("Elu", kNeuralOps, {elu, Integers::kRefused, {"alpha"}}),
      row("Selu", kNeuralOps, {plain<Unary::kSelu>}),
      row("Gelu", kNeuralOps, {gelu, Integers::kRefused, {"approximate"}}),
      row("Sigmoid", kNeuralOps, {plain<Unary::kSigmoid>}),
      row("HardSigmoid", kNeuralOps, {plain<Unary::kHardSigmoid>}),
      row("Silu", kNeuralOps, {plain<Unary::kSilu>}),
      row("HardSilu", kNeuralOps, {plain<Unary::kHardSilu>}),
      row("Softplus", kNeuralOps, {plain<Unary::kSoftplus>}),
      row("Softsign", kNeuralOps, {plain<Unary::kSoftsign>}),
      operation_row<LogSigmoid>("LogSigmoid", kNeuralOps),
      operation_row<Kept>("Absolute", kNumpyOps, Kept::Kind::kAbsolute),
      operation_row<Kept>("Negative", kNumpyOps, Kept::Kind::kNegative),
      operation_row<Kept>("Square", kNumpyOps, Kept::Kind::kSquare),
      operation_row<Kept>("Sign", kNumpyOps, Kept::Kind::kSign),
      operation_row<LogOfBase>("Log2", kNumpyOps, 2.0),
      operation_row<LogOfBase>("Log10", kNumpyOps, 10.0),
      operation_row<Reciprocal>("Reciprocal", kNumpyOps),
      operation_row<Angle>("Deg2rad", kNumpyOps, std::numbers::pi / 180),
      operation_row<Angle>("Rad2deg", kNumpyOps, 180 / std::numbers::pi),
      operation_row<Round>("Round", kNumpyOps),
      operation_row<StopGradient>("StopGradient", kCoreOps),
      operation_row<Clip>("Clip", kNumpyOps),
  };
}

}  // namespace lamina::layers

namespace lamina::ops {

using layers::call_operation;

#define LAMINA_UNARY_OPERATION(function, class_name) \
  SymbolicTensor function(const SymbolicTensor& x) { \
    return call_operation(class_name, x);            \
  }
LAMINA_UNARY_OPERATION(absolute, "Absolute")
LAMINA_UNARY_OPERATION(abs, "Absolute")
LAMINA_UNARY_OPERATION(negative, "Negative")
LAMINA_UNARY_OPERATION(square, "Square")
LAMINA_UNARY_OPERATION(exp, "Exp")
LAMINA_UNARY_OPERATION(expm1, "Expm1")
LAMINA_UNARY_OPERATION(log, "Log")
LAMINA_UNARY_OPERATION(log1p, "Log1p")
LAMINA_UNARY_OPERATION(sqrt, "Sqrt")
LAMINA_UNARY_OPERATION(rsqrt, "Rsqrt")
LAMINA_UNARY_OPERATION(sin, "Sin")
LAMINA_UNARY_OPERATION(cos, "Cos")
LAMINA_UNARY_OPERATION(tanh, "Tanh")
LAMINA_UNARY_OPERATION(tan, "Tan")
LAMINA_UNARY_OPERATION(arctan, "Arctan")
LAMINA_UNARY_OPERATION(sinh, "Sinh")
LAMINA_UNARY_OPERATION(cosh, "Cosh")
LAMINA_UNARY_OPERATION(floor, "Floor")
LAMINA_UNARY_OPERATION(ceil, "Ceil")
LAMINA_UNARY_OPERATION(erf, "Erf")
LAMINA_UNARY_OPERATION(sign, "Sign")
LAMINA_UNARY_OPERATION(log2, "Log2")
LAMINA_UNARY_OPERATION(log10, "Log10")
LAMINA_UNARY_OPERATION(reciprocal, "Reciprocal")
LAMINA_UNARY_OPERATION(deg2rad, "Deg2rad")
LAMINA_UNARY_OPERATION(rad2deg, "Rad2deg")
LAMINA_UNARY_OPERATION(stop_gradient, "StopGradient")
LAMINA_UNARY_OPERATION(relu, "Relu")
LAMINA_UNARY_OPERATION(relu6, "Relu6")
LAMINA_UNARY_OPERATION(selu, "Selu")
LAMINA_UNARY_OPERATION(sigmoid, "Sigmoid")
LAMINA_UNARY_OPERATION(log_sigmoid, "LogSigmoid")
LAMINA_UNARY_OPERATION(hard_sigmoid, "HardSigmoid")
LAMINA_UNARY_OPERATION(silu, "Silu")
LAMINA_UNARY_OPERATION(swish, "Silu")
LAMINA_UNARY_OPERATION(hard_silu, "HardSilu")
LAMINA_UNARY_OPERATION(hard_swish, "HardSilu")
LAMINA_UNARY_OPERATION(softplus, "Softplus")
LAMINA_UNARY_OPERATION(softsign, "Softsign")
#undef LAMINA_UNARY_OPERATION

SymbolicTensor round(const SymbolicTensor& x, std::int64_t decimals) {
  return call_operation("Round", x, {{"decimals", decimals}});
}
SymbolicTensor leaky_relu(const SymbolicTensor& x, double negative_slope) {
  return call_operation("LeakyRelu", x, {{"negative_slope", negative_slope}});
}
SymbolicTensor elu(const SymbolicTensor& x, double alpha) {
  return call_operation("Elu", x, {{"alpha", alpha}});
}
SymbolicTensor gelu(const SymbolicTensor& x, bool approximate) {
  return call_operation("Gelu", x, {{"approximate", approximate}});
}
SymbolicTensor clip(const SymbolicTensor& x, const Operand& x_min, const Operand& x_max) {
  return call_operation(
      "Clip", x,
      {{"x_min", layers::number_to_config(x_min)}, {"x_max", layers::number_to_config(x_max)}});
}

}  // namespace lamina::ops
