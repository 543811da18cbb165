// What two operands make: tensors, or a tensor and a number.
#include "layers/axes.h"
#include "layers/operations/operations.h"
#include "layers/operations/promotion.h"

namespace lamina::layers {
namespace {

using graph::Builder;
using graph::ValueId;
using ops::Binary;

class Arithmetic final : public Operation {
 public:
  Arithmetic(OperationForm form, Binary kind)
      : Operation(std::move(form), Operands::kTwo, {}), kind_(kind) {}

 protected:
  [[nodiscard]] Shape shape(const Shapes& x) const override {
    return x.size() == 1 ? x[0] : broadcast(x[0], x[1]);
  }
  [[nodiscard]] DType dtype(const DTypes& x) const override {
    const DType dtype = promoted_operands(form().args, x);
    return kind_ == Binary::kDivide ? promoted_with_float(dtype) : dtype;
  }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    const DType dtype = result(builder, x).dtype;
    if (const auto function = scale_shift(); function && is_floating(dtype)) {
      ops::Activation rounded_to = *function;
      rounded_to.a = rounded({rounded_to.a}, dtype)[0];
      rounded_to.b = rounded({rounded_to.b}, dtype)[0];
      return builder.activation(builder.cast(x[0], dtype), rounded_to);
    }
    // Bools are numbers of a float: no backend computes with them.
    const Ids values = as_values(builder, form().args, x, dtype == DType::kBool ? kLogic : dtype);
    return builder.cast(builder.binary(kind_, values[0], values[1]), dtype);
  }

 private:
  static constexpr DType kLogic = DType::kFloat32;

  /// x op number, or number op x, as x * a + b, which passes can fuse; nothing for what is no such
  /// function.
  [[nodiscard]] std::optional<ops::Activation> scale_shift() const {
    const bool first = form().args[0].is_number();
    if (!first && !form().args[1].is_number()) return std::nullopt;
    const double value = form().args[first ? 0 : 1].get<double>();
    const auto linear = [](double a, double b) {
      return ops::Activation{ops::Unary::kScaleShift, a, b};
    };
    switch (kind_) {
      case Binary::kAdd:
        return linear(1, value);
      case Binary::kSubtract:
        return first ? linear(-1, value) : linear(1, -value);
      case Binary::kMultiply:
        return linear(value, 0);
      case Binary::kDivide:
      case Binary::kMaximum:
      case Binary::kMinimum:
      case Binary::kKeep:
      case Binary::kEqual:
      case Binary::kGreater:
      case Binary::kGreaterEqual:
        break;
    }
    return std::nullopt;
  }

  Binary kind_;
};

/// Of a tensor to a number.
class Power final : public Operation {
 public:
  explicit Power(OperationForm form) : Operation(std::move(form), Operands::kTwo, {}) {
    if (!this->form().args[1].is_number()) unsupported("an exponent that is no number");
  }

 protected:
  [[nodiscard]] Shape shape(const Shapes& x) const override { return x.at(0); }
  [[nodiscard]] DType dtype(const DTypes& x) const override {
    const DType dtype = promoted_operands(form().args, x);
    if (!is_floating(dtype)) unsupported("a power of integers");
    return dtype;
  }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    const DType dtype = result(builder, x).dtype;
    const ValueId base = builder.cast(x[0], dtype);
    double exponent = form().args[1].get<double>();
    if (form().args[1].is_number_float()) exponent = rounded({exponent}, dtype)[0];
    if (exponent == 2) return builder.activation(base, {ops::Unary::kSquare});
    return builder.activation(base, {ops::Unary::kPower, exponent});
  }
};

}  // namespace

OperationRows arithmetic_operations() {
  const auto row = [](std::string_view name, Binary kind) {
    return operation_row<Arithmetic>(name, kNumpyOps, kind);
  };
  return {row("Add", Binary::kAdd),           row("Subtract", Binary::kSubtract),
          row("Multiply", Binary::kMultiply), row("Divide", Binary::kDivide),
          row("TrueDivide", Binary::kDivide), row("Maximum", Binary::kMaximum),
          row("Minimum", Binary::kMinimum),   operation_row<Power>("Power", kNumpyOps)};
}

}  // namespace lamina::layers

namespace lamina::ops {

using layers::call_on_operands;

SymbolicTensor add(const Operand& x1, const Operand& x2) {
  return call_on_operands("Add", {x1, x2});
}
SymbolicTensor subtract(const Operand& x1, const Operand& x2) {
  return call_on_operands("Subtract", {x1, x2});
}
SymbolicTensor multiply(const Operand& x1, const Operand& x2) {
  return call_on_operands("Multiply", {x1, x2});
}
SymbolicTensor divide(const Operand& x1, const Operand& x2) {
  return call_on_operands("Divide", {x1, x2});
}
SymbolicTensor true_divide(const Operand& x1, const Operand& x2) {
  return call_on_operands("TrueDivide", {x1, x2});
}
SymbolicTensor maximum(const Operand& x1, const Operand& x2) {
  return call_on_operands("Maximum", {x1, x2});
}
SymbolicTensor minimum(const Operand& x1, const Operand& x2) {
  return call_on_operands("Minimum", {x1, x2});
}
SymbolicTensor power(const SymbolicTensor& x1, const Operand& x2) {
  return call_on_operands("Power", {x1, x2});
}

}  // namespace lamina::ops
