// Functions of one tensor, element by element, that are one operation.
#include <limits>

#include "layers/axes.h"
#include "layers/operations/operations.h"
#include "layers/operations/promotion.h"
#include "layers/operations/unary.h"

namespace lamina::layers {
namespace {

using graph::Builder;
using graph::ValueId;
using nlohmann::json;
using ops::Activation;
using ops::Unary;

/// What becomes of integers.
enum class Integers : std::uint8_t { kRefused, kMadeFloat, kMadeFloatAsWide };

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
    return kind_.integers == Integers::kMadeFloat ? DType::kFloat32 : float_as_wide(x[0]);
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
      row("Arcsin", kNumpyOps, {plain<Unary::kArcsin>, kFloat}),
      row("Arccos", kNumpyOps, {plain<Unary::kArccos>, kFloat}),
      row("Arcsinh", kNumpyOps, {plain<Unary::kArcsinh>, kFloat}),
      row("Arccosh", kNumpyOps, {plain<Unary::kArccosh>, kFloat}),
      row("Arctanh", kNumpyOps, {plain<Unary::kArctanh>, kFloat}),
      row("Cbrt", kNumpyOps, {plain<Unary::kCbrt>, Integers::kMadeFloatAsWide}),
      row("Exp2", kNumpyOps, {plain<Unary::kExp2>, kFloat}),
      row("Sinc", kNumpyOps, {plain<Unary::kSinc>, kFloat}),
      row("Sinh", kNumpyOps, {plain<Unary::kSinh>, kFloat}),
      row("Cosh", kNumpyOps, {plain<Unary::kCosh>, kFloat}),
      row("Floor", kNumpyOps, {plain<Unary::kFloor>, kFloat}),
      row("Ceil", kNumpyOps, {plain<Unary::kCeil>, kFloat}),
      row("Rsqrt", kMathOps, {plain<Unary::kRsqrt>}),
      row("Erf", kMathOps, {plain<Unary::kErf>}),
      row("Erfc", kMathOps, {plain<Unary::kErfc>, kFloat}),
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
      operation_row<StopGradient>("StopGradient", kCoreOps),
  };
}

}  // namespace lamina::layers

namespace lamina::ops {

using layers::call_operation;

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
LAMINA_UNARY_OPERATION(arcsin, "Arcsin")
LAMINA_UNARY_OPERATION(arccos, "Arccos")
LAMINA_UNARY_OPERATION(arcsinh, "Arcsinh")
LAMINA_UNARY_OPERATION(arccosh, "Arccosh")
LAMINA_UNARY_OPERATION(arctanh, "Arctanh")
LAMINA_UNARY_OPERATION(cbrt, "Cbrt")
LAMINA_UNARY_OPERATION(exp2, "Exp2")
LAMINA_UNARY_OPERATION(sinc, "Sinc")
LAMINA_UNARY_OPERATION(erfc, "Erfc")
LAMINA_UNARY_OPERATION(sinh, "Sinh")
LAMINA_UNARY_OPERATION(cosh, "Cosh")
LAMINA_UNARY_OPERATION(floor, "Floor")
LAMINA_UNARY_OPERATION(ceil, "Ceil")
LAMINA_UNARY_OPERATION(erf, "Erf")
LAMINA_UNARY_OPERATION(stop_gradient, "StopGradient")
LAMINA_UNARY_OPERATION(relu, "Relu")
LAMINA_UNARY_OPERATION(relu6, "Relu6")
LAMINA_UNARY_OPERATION(selu, "Selu")
LAMINA_UNARY_OPERATION(sigmoid, "Sigmoid")
LAMINA_UNARY_OPERATION(hard_sigmoid, "HardSigmoid")
LAMINA_UNARY_OPERATION(silu, "Silu")
LAMINA_UNARY_OPERATION(swish, "Silu")
LAMINA_UNARY_OPERATION(hard_silu, "HardSilu")
LAMINA_UNARY_OPERATION(hard_swish, "HardSilu")
LAMINA_UNARY_OPERATION(softplus, "Softplus")
LAMINA_UNARY_OPERATION(softsign, "Softsign")

SymbolicTensor leaky_relu(const SymbolicTensor& x, double negative_slope) {
  return call_operation("LeakyRelu", x, {{"negative_slope", negative_slope}});
}
SymbolicTensor elu(const SymbolicTensor& x, double alpha) {
  return call_operation("Elu", x, {{"alpha", alpha}});
}
SymbolicTensor gelu(const SymbolicTensor& x, bool approximate) {
  return call_operation("Gelu", x, {{"approximate", approximate}});
}

}  // namespace lamina::ops
