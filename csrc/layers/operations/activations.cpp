// Activations made of simpler functions, and softmax.
#include "layers/masks.h"
#include "layers/operations/operations.h"
#include "layers/operations/parts.h"
#include "layers/operations/promotion.h"

namespace lamina::layers {
namespace {

using ops::Binary;
using ops::Unary;

/// What one is written with: arithmetic of values, and of numbers of their dtype.
class Formula {
 public:
  Formula(Builder& builder, DType dtype) : builder_(builder), dtype_(dtype) {}
  [[nodiscard]] ValueId number(double value) const { return constant(builder_, value, dtype_); }
  [[nodiscard]] ValueId of(Binary kind, ValueId a, ValueId b) const {
    return builder_.binary(kind, a, b);
  }
  [[nodiscard]] ValueId of(Binary kind, ValueId a, double b) const {
    return of(kind, a, number(b));
  }
  [[nodiscard]] ValueId of(Unary kind, ValueId x) const { return builder_.activation(x, {kind}); }
  [[nodiscard]] ValueId negated(ValueId x) const { return layers::negated(builder_, x); }
  /// x where `condition` holds, else 0.
  [[nodiscard]] ValueId where(ValueId condition, ValueId x) const {
    return of(Binary::kKeep, x, condition);
  }
  [[nodiscard]] ValueId less(ValueId a, double b) const {
    return of(Binary::kGreater, number(b), a);
  }

 private:
  Builder& builder_;
  DType dtype_;
};

class Composed final : public Operation {
 public:
  struct Kind {
    ValueId (*formula)(const Formula&, ValueId, const Composed&);
    std::array<std::string_view, 2> options = {};
  };
  Composed(OperationForm form, Kind kind)
      : Operation(std::move(form), Operands::kTensor, {kind.options[0], kind.options[1]}),
        kind_(kind) {
    for (const std::string_view name : kind_.options) {
      if (!name.empty()) (void)Operation::number(std::string(name).c_str(), 0);
    }
  }
  using Operation::number;

 protected:
  [[nodiscard]] Shape shape(const Shapes& x) const override { return x.at(0); }
  [[nodiscard]] DType dtype(const DTypes& x) const override {
    if (!is_floating(x.at(0))) unsupported("a tensor of integers");
    return x[0];
  }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    return kind_.formula(Formula(builder, builder.dtype(x[0])), x[0], *this);
  }

 private:
  Kind kind_;
};

ValueId celu(const Formula& f, ValueId x, const Composed& options) {
  const double alpha = options.number("alpha", 1);
  const ValueId below = f.of(Binary::kDivide, f.of(Binary::kMinimum, x, 0.0), alpha);
  return f.of(Binary::kAdd, f.of(Binary::kMaximum, x, 0.0),
              f.of(Binary::kMultiply, f.of(Unary::kExpm1, below), alpha));
}
ValueId hard_tanh(const Formula& f, ValueId x, const Composed&) {
  const ValueId above = f.of(Binary::kGreater, x, 1.0), below = f.less(x, -1);
  // Within it is -0, which is nothing to a 0 of either sign.
  const ValueId outside = f.negated(f.of(Binary::kSubtract, below, above));
  const ValueId within = f.of(Binary::kEqual, outside, 0.0);
  return f.of(Binary::kAdd, f.where(within, x), outside);
}
ValueId tanh_shrink(const Formula& f, ValueId x, const Composed&) {
  return f.of(Binary::kSubtract, x, f.of(Unary::kTanh, x));
}
ValueId hard_shrink(const Formula& f, ValueId x, const Composed& options) {
  const double threshold = options.number("threshold", 0.5);
  return f.where(f.of(Binary::kGreater, f.of(Unary::kAbsolute, x), threshold), x);
}
ValueId soft_shrink(const Formula& f, ValueId x, const Composed& options) {
  const double threshold = options.number("threshold", 0.5);
  return f.of(Binary::kAdd,
              f.where(f.of(Binary::kGreater, x, threshold), f.of(Binary::kSubtract, x, threshold)),
              f.where(f.less(x, -threshold), f.of(Binary::kAdd, x, threshold)));
}
ValueId squareplus(const Formula& f, ValueId x, const Composed& options) {
  const ValueId square = f.of(Binary::kAdd, f.of(Unary::kSquare, x), options.number("b", 4));
  return f.of(Binary::kMultiply, f.of(Binary::kAdd, x, f.of(Unary::kSqrt, square)), 0.5);
}
ValueId threshold(const Formula& f, ValueId x, const Composed& options) {
  const ValueId above = f.of(Binary::kGreater, x, options.number("threshold", 0));
  const ValueId not_above = f.of(Binary::kEqual, above, 0.0);
  // Above, -0 is added.
  const ValueId instead = f.where(not_above, f.number(-options.number("default_value", 0)));
  return f.of(Binary::kAdd, f.where(above, x), f.negated(instead));
}

/// The first half of an axis, as far as the second half lets it through.
class Glu final : public Operation {
 public:
  explicit Glu(OperationForm form) : Operation(std::move(form), Operands::kTensor, {"axis"}) {
    (void)integer("axis", -1);
  }

 protected:
  [[nodiscard]] Shape shape(const Shapes& x) const override {
    Shape out = x.at(0);
    std::int64_t& dim = out[static_cast<std::int64_t>(axis(out.rank()))];
    if (dim == kNone) return out;
    if (dim % 2 != 0) fail("axis size must be divisible by 2. Received: " + x[0].str());
    dim /= 2;
    return out;
  }
  [[nodiscard]] DType dtype(const DTypes& x) const override {
    if (!is_floating(x.at(0))) unsupported("a tensor of integers");
    return x[0];
  }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    const Shape to = result(builder, x).shape;
    const std::size_t at = axis(to.rank());
    const std::int64_t half = to.dims()[at];
    const ValueId gate =
        builder.activation(cropped(builder, x[0], at, half, half), {Unary::kSigmoid});
    return builder.binary(Binary::kMultiply, cropped(builder, x[0], at, 0, half), gate);
  }

 private:
  [[nodiscard]] std::size_t axis(std::size_t rank) const {
    return axis_index(integer("axis", -1), rank);
  }
};

class Softmax final : public Operation {
 public:
  Softmax(OperationForm form, bool log)
      : Operation(std::move(form), Operands::kTensor, {"axis"}), log_(log) {
    (void)integers("axis");
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
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    const ops::TensorSpec& spec = builder.spec(x[0]);
    return builder.emit(ops::Softmax{spec, spec, axes(spec.shape.rank()), log_}, {x[0]});
  }

 private:
  /// None given: all.
  [[nodiscard]] std::vector<std::size_t> axes(std::size_t rank) const {
    const auto given = integers("axis");
    if (given) return axis_indices(*given, rank);
    std::vector<std::size_t> all(rank);
    for (std::size_t i = 0; i < rank; ++i) all[i] = i;
    return all;
  }

  bool log_;
};

}  // namespace

OperationRows activation_operations() {
  const auto row = [](std::string_view name, Composed::Kind kind) {
    return operation_row<Composed>(name, kNeuralOps, kind);
  };
  return {row("Celu", {celu, {"alpha"}}),
          row("HardTanh", {hard_tanh}),
          row("TanhShrink", {tanh_shrink}),
          row("HardShrink", {hard_shrink, {"threshold"}}),
          row("SoftShrink", {soft_shrink, {"threshold"}}),
          row("Squareplus", {squareplus, {"b"}}),
          row("Threshold", {threshold, {"threshold", "default_value"}}),
          operation_row<Glu>("Glu", kNeuralOps),
          operation_row<Softmax>("Softmax", kNeuralOps, false),
          operation_row<Softmax>("LogSoftmax", kNeuralOps, true)};
}

}  // namespace lamina::layers

namespace lamina::ops {

using layers::call_operation;

SymbolicTensor celu(const SymbolicTensor& x, double alpha) {
  return call_operation("Celu", x, {{"alpha", alpha}});
}
SymbolicTensor hard_tanh(const SymbolicTensor& x) {
  return call_operation("HardTanh", x);
}
SymbolicTensor tanh_shrink(const SymbolicTensor& x) {
  return call_operation("TanhShrink", x);
}
SymbolicTensor hard_shrink(const SymbolicTensor& x, double threshold) {
  return call_operation("HardShrink", x, {{"threshold", threshold}});
}
SymbolicTensor soft_shrink(const SymbolicTensor& x, double threshold) {
  return call_operation("SoftShrink", x, {{"threshold", threshold}});
}
SymbolicTensor squareplus(const SymbolicTensor& x, double b) {
  return call_operation("Squareplus", x, {{"b", b}});
}
SymbolicTensor threshold(const SymbolicTensor& x, double threshold, double default_value) {
  return call_operation("Threshold", x,
                        {{"threshold", threshold}, {"default_value", default_value}});
}
SymbolicTensor glu(const SymbolicTensor& x, std::int64_t axis) {
  return call_operation("Glu", x, {{"axis", axis}});
}
SymbolicTensor softmax(const SymbolicTensor& x, const layers::Axes& axis) {
  return call_operation("Softmax", x, {{"axis", layers::axes_to_config(axis)}});
}
SymbolicTensor log_softmax(const SymbolicTensor& x, const layers::Axes& axis) {
  return call_operation("LogSoftmax", x, {{"axis", layers::axes_to_config(axis)}});
}

}  // namespace lamina::ops
