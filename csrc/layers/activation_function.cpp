#include "layers/activation_function.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "layers/axes.h"

namespace lamina::layers {
namespace {

using ops::Unary;

struct Elementwise {
  std::string_view name;
  ops::Activation activation;
};

// Names beside those of kernels/elementwise.def.
const std::array kAliases{
    Elementwise{"", {Unary::kLinear}},
    Elementwise{"relu6", ops::relu(0, 6)},
    Elementwise{"leaky_relu", ops::relu(0.2)},
    Elementwise{"swish", {Unary::kSilu}},
    Elementwise{"hard_swish", {Unary::kHardSilu}},
};

/// Those that Keras has no activation of the name of: gelu with an option, a layer of its own, a
/// part of normalisation, and what only its operations are.
constexpr std::array kUnnamed{
    Unary::kGeluTanh, Unary::kScaleShift, Unary::kInverseRoot,  Unary::kAbsolute, Unary::kSquare,
    Unary::kSin,      Unary::kCos,        Unary::kExpm1,        Unary::kLog,      Unary::kLog1p,
    Unary::kSqrt,     Unary::kRsqrt,      Unary::kPower,        Unary::kErf,      Unary::kTan,
    Unary::kArctan,   Unary::kSinh,       Unary::kCosh,         Unary::kFloor,    Unary::kCeil,
    Unary::kRound,    Unary::kSign,       Unary::kStopGradient, Unary::kArcsin,   Unary::kArccos,
    Unary::kArcsinh,  Unary::kArccosh,    Unary::kArctanh,      Unary::kCbrt,     Unary::kExp2,
    Unary::kErfc,     Unary::kSinc,       Unary::kSignbit};

bool is_named(Unary kind) {
  return std::find(kUnnamed.begin(), kUnnamed.end(), kind) == kUnnamed.end();
}

/// With Keras's defaults for the parameters.
ops::Activation with_defaults(Unary kind) {
  if (kind == Unary::kRelu) return ops::relu();
  if (kind == Unary::kElu) return {Unary::kElu, 1};
  return {kind};
}

const std::vector<Elementwise>& names() {
  static const std::vector<Elementwise> all = [] {
    std::vector<Elementwise> rows{
#define LAMINA_UNARY(enumerator, name, functor) {name, with_defaults(Unary::enumerator)},
#include "kernels/elementwise.def"
#undef LAMINA_UNARY
    };
    std::erase_if(rows, [](const Elementwise& row) { return !is_named(row.activation.kind); });
    rows.insert(rows.end(), kAliases.begin(), kAliases.end());
    return rows;
  }();
  return all;
}

// What Keras has and Lamina has not.
constexpr std::array<std::string_view, 12> kUnsupported{
    "celu",        "glu",       "hard_shrink", "hard_tanh",      "log_sigmoid", "soft_shrink",
    "sparse_plus", "sparsemax", "squareplus",  "sparse_sigmoid", "tanh_shrink", "threshold"};

std::optional<ops::Activation> elementwise(const ActivationFunction& function) {
  const std::vector<double>& p = function.parameters;
  if (!p.empty()) {
    if (function.name == "relu") return ops::relu(p.at(0), p.at(1), p.at(2));
    if (function.name == "leaky_relu") return ops::relu(p.at(0));
    if (function.name == "elu") return ops::Activation{Unary::kElu, p.at(0)};
    if (function.name == "gelu")
      return ops::Activation{p.at(0) != 0 ? Unary::kGeluTanh : Unary::kGelu};
  }
  for (const Elementwise& row : names()) {
    if (row.name == function.name) return row.activation;
  }
  return std::nullopt;
}

std::string known_names() {
  std::string text;
  for (const Elementwise& row : names()) {
    if (!row.name.empty()) text.append(row.name).append(", ");
  }
  return text.append("softmax, log_softmax");
}

bool is_softmax(const ActivationFunction& function) {
  return function.name == "softmax" || function.name == "log_softmax";
}

}  // namespace

ActivationFunction ActivationFunction::relu(double negative_slope, double max_value,
                                            double threshold) {
  ActivationFunction function("relu");
  function.parameters = {negative_slope, max_value, threshold};
  return function;
}

ActivationFunction ActivationFunction::leaky_relu(double negative_slope) {
  ActivationFunction function("leaky_relu");
  function.parameters = {negative_slope};
  return function;
}

ActivationFunction ActivationFunction::elu(double alpha) {
  ActivationFunction function("elu");
  function.parameters = {alpha};
  return function;
}

ActivationFunction ActivationFunction::gelu(bool approximate) {
  ActivationFunction function("gelu");
  function.parameters = {approximate ? 1.0 : 0.0};
  return function;
}

ActivationFunction ActivationFunction::softmax(Axes axis) {
  ActivationFunction function("softmax");
  function.parameters.assign(axis.values.begin(), axis.values.end());
  return function;
}

bool is_elementwise(const ActivationFunction& function) {
  return !is_softmax(function);
}

void check_activation(const ActivationFunction& function) {
  if (elementwise(function) || is_softmax(function)) return;
  for (const std::string_view name : kUnsupported) {
    if (name == function.name) {
      throw UnsupportedError(std::string("The activation '")
                                 .append(function.name)
                                 .append("' is not supported; there are ")
                                 .append(known_names()));
    }
  }
  throw ValueError(std::string("Could not interpret activation function identifier: ")
                       .append(function.name)
                       .append("; there are ")
                       .append(known_names()));
}

graph::ValueId lower_activation(graph::Builder& builder, graph::ValueId x,
                                const ActivationFunction& function) {
  if (const auto activation = elementwise(function)) {
    return builder.activation(x, rounded(*activation, builder.dtype(x)));
  }
  check_activation(function);
  const Shape& shape = builder.shape(x);
  std::vector<std::size_t> axes;
  for (const double axis : function.parameters) {
    axes.push_back(shape.index(static_cast<std::int64_t>(axis)));
  }
  if (axes.empty()) axes.push_back(shape.index(-1));
  std::sort(axes.begin(), axes.end());
  return builder.emit(ops::Softmax{builder.spec(x), builder.spec(x), std::move(axes),
                                   function.name == "log_softmax"},
                      {x});
}

}  // namespace lamina::layers
