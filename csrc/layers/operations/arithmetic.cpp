// What two operands make: tensors, or a tensor and a number.
#include <numbers>

#include "layers/axes.h"
#include "layers/operations/operations.h"
#include "layers/operations/promotion.h"

namespace lamina::layers {
namespace {

using graph::Builder;
using graph::ValueId;
using ops::Binary;

class Arithmetic final : public Broadcasting {
 public:
  Arithmetic(OperationForm form, Binary kind) : Broadcasting(std::move(form)), kind_(kind) {}

 protected:
  [[nodiscard]] DType dtype(const DTypes& x) const override {
    const DType dtype = promoted_operands(form().args, x);
    return kind_ == Binary::kDivide ? promoted_with_float(dtype) : dtype;
  }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    const DType dtype = result(builder, x).dtype;
    if (const auto function = scale_shift(); function && is_floating(dtype)) {
      return builder.activation(builder.cast(x[0], dtype), rounded(*function, dtype));
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
        return linear(value, -0.0);  // which is nothing to a 0 of either sign
      case Binary::kDivide:
      case Binary::kMaximum:
      case Binary::kMinimum:
      case Binary::kKeep:
      case Binary::kEqual:
      case Binary::kGreater:
      case Binary::kGreaterEqual:
      case Binary::kPower:
      case Binary::kFloorDivide:
      case Binary::kMod:
      case Binary::kFmod:
      case Binary::kArctan2:
      case Binary::kHypot:
      case Binary::kLogaddexp:
      case Binary::kHeaviside:
      case Binary::kFmax:
      case Binary::kFmin:
        break;
    }
    return std::nullopt;
  }

  Binary kind_;
};

/// The quotient, and 0 where the divisor is 0.
class DivideNoNan final : public Broadcasting {
 public:
  explicit DivideNoNan(OperationForm form) : Broadcasting(std::move(form)) {}

 protected:
  [[nodiscard]] DType dtype(const DTypes& x) const override {
    return promoted_with_float(promoted_operands(form().args, x));
  }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    const DType dtype = result(builder, x).dtype;
    const Ids values = as_values(builder, form().args, x, dtype);
    const ValueId zero = builder.binary(Binary::kEqual, values[1], constant(builder, 0, dtype));
    // There it is divided by 1, so that there is a gradient.
    const ValueId divisor = builder.binary(Binary::kAdd, values[1], zero);
    return builder.binary(Binary::kKeep, builder.binary(Binary::kDivide, values[0], divisor),
                          builder.activation(zero, {ops::Unary::kScaleShift, -1, 1}));
  }
};

class Power final : public Broadcasting {
 public:
  explicit Power(OperationForm form) : Broadcasting(std::move(form)) {}

 protected:
  [[nodiscard]] DType dtype(const DTypes& x) const override {
    const DType dtype = promoted_operands(form().args, x);
    if (!is_floating(dtype)) unsupported("a power of integers");
    return dtype;
  }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    const DType dtype = result(builder, x).dtype;
    const nlohmann::json& exponent = form().args[1];
    if (!exponent.is_number()) {
      const Ids values = as_values(builder, form().args, x, dtype);
      return builder.binary(Binary::kPower, values[0], values[1]);
    }
    const ValueId base = builder.cast(x[0], dtype);
    double number = exponent.get<double>();
    if (exponent.is_number_float()) number = rounded({number}, dtype)[0];
    if (number == 2) return builder.activation(base, {ops::Unary::kSquare});
    return builder.activation(base, {ops::Unary::kPower, number});
  }
};

/// FloorDivide, Mod and Fmod.
class Quotient final : public Broadcasting {
 public:
  Quotient(OperationForm form, Binary kind) : Broadcasting(std::move(form)), kind_(kind) {}

 protected:
  [[nodiscard]] DType dtype(const DTypes& x) const override {
    const DType dtype = promoted_operands(form().args, x);
    if (!is_floating(dtype) && dtype_size(dtype) == 8) unsupported("integers of 64 bits");
    return dtype == DType::kBool ? DType::kInt32 : dtype;
  }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    const DType dtype = result(builder, x).dtype;
    // float64 holds integers, and their quotients are far enough from those that they are not.
    const Ids values =
        as_values(builder, form().args, x, is_floating(dtype) ? dtype : DType::kFloat64);
    return builder.cast(builder.binary(kind_, values[0], values[1]), dtype);
  }

 private:
  Binary kind_;
};

/// Arctan2, Logaddexp and Logaddexp2: floating, of integers float32.
class OfFloats final : public Broadcasting {
 public:
  /// Operands are made `unit` times as large first, and the result is divided by that.
  struct Kind {
    Binary of;
    double unit = 1;
    bool numbers_are_float32 = false;
  };
  OfFloats(OperationForm form, Kind kind) : Broadcasting(std::move(form)), kind_(kind) {}

 protected:
  [[nodiscard]] DType dtype(const DTypes& x) const override {
    const DType dtype = promoted_with_float(promoted_operands(form().args, x));
    const bool with_number = x.size() < form().args.size();
    return kind_.numbers_are_float32 && with_number ? promoted(dtype, DType::kFloat32) : dtype;
  }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    const DType dtype = result(builder, x).dtype;
    if (kind_.unit == 1) {
      const Ids values = as_values(builder, form().args, x, dtype);
      return builder.binary(kind_.of, values[0], values[1]);
    }
    const DType wide = promoted(dtype, DType::kFloat32);
    const ValueId unit = constant(builder, kind_.unit, wide);
    Ids values = as_values(builder, form().args, x, wide);
    for (ValueId& each : values) each = builder.binary(Binary::kMultiply, each, unit);
    const ValueId y = builder.binary(kind_.of, values[0], values[1]);
    return builder.cast(builder.binary(Binary::kDivide, y, unit), dtype);
  }

 private:
  Kind kind_;
};

/// Hypot and Heaviside, which Keras has of tensors alone.
class OfTensors final : public Broadcasting {
 public:
  OfTensors(OperationForm form, Binary kind) : Broadcasting(std::move(form)), kind_(kind) {
    if (this->form().tensors != 2) unsupported("a number");
  }

 protected:
  [[nodiscard]] DType dtype(const DTypes& x) const override {
    const DType dtype = promoted(x.at(0), x.at(1));
    if (dtype == DType::kBool) unsupported("two tensors of bools");
    return float_as_wide(dtype);
  }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    const Ids values = as_values(builder, form().args, x, result(builder, x).dtype);
    return builder.binary(kind_, values[0], values[1]);
  }

 private:
  Binary kind_;
};

}  // namespace

OperationRows arithmetic_operations() {
  const auto row = [](std::string_view name, Binary kind) {
    return operation_row<Arithmetic>(name, kNumpyOps, kind);
  };
  const auto of_floats = [](std::string_view name, OfFloats::Kind kind) {
    return operation_row<OfFloats>(name, kNumpyOps, kind);
  };
  return {row("Add", Binary::kAdd),
          row("Subtract", Binary::kSubtract),
          row("Multiply", Binary::kMultiply),
          row("Divide", Binary::kDivide),
          row("TrueDivide", Binary::kDivide),
          operation_row<DivideNoNan>("DivideNoNan", kNumpyOps),
          row("Maximum", Binary::kMaximum),
          row("Minimum", Binary::kMinimum),
          operation_row<Power>("Power", kNumpyOps),
          operation_row<Quotient>("FloorDivide", kNumpyOps, Binary::kFloorDivide),
          operation_row<Quotient>("Mod", kNumpyOps, Binary::kMod),
          operation_row<Quotient>("Fmod", kNumpyOps, Binary::kFmod),
          row("Fmax", Binary::kFmax),
          row("Fmin", Binary::kFmin),
          of_floats("Arctan2", {Binary::kArctan2, 1, true}),
          of_floats("Logaddexp", {Binary::kLogaddexp}),
          of_floats("Logaddexp2", {Binary::kLogaddexp, std::numbers::ln2}),
          operation_row<OfTensors>("Hypot", kNumpyOps, Binary::kHypot),
          operation_row<OfTensors>("Heaviside", kNumpyOps, Binary::kHeaviside)};
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
SymbolicTensor divide_no_nan(const Operand& x1, const Operand& x2) {
  return call_on_operands("DivideNoNan", {x1, x2});
}
SymbolicTensor maximum(const Operand& x1, const Operand& x2) {
  return call_on_operands("Maximum", {x1, x2});
}
SymbolicTensor minimum(const Operand& x1, const Operand& x2) {
  return call_on_operands("Minimum", {x1, x2});
}
SymbolicTensor power(const Operand& x1, const Operand& x2) {
  return call_on_operands("Power", {x1, x2});
}
SymbolicTensor floor_divide(const Operand& x1, const Operand& x2) {
  return call_on_operands("FloorDivide", {x1, x2});
}
SymbolicTensor mod(const Operand& x1, const Operand& x2) {
  return call_on_operands("Mod", {x1, x2});
}
SymbolicTensor fmod(const Operand& x1, const Operand& x2) {
  return call_on_operands("Fmod", {x1, x2});
}
SymbolicTensor fmax(const Operand& x1, const Operand& x2) {
  return call_on_operands("Fmax", {x1, x2});
}
SymbolicTensor fmin(const Operand& x1, const Operand& x2) {
  return call_on_operands("Fmin", {x1, x2});
}
SymbolicTensor arctan2(const Operand& x1, const Operand& x2) {
  return call_on_operands("Arctan2", {x1, x2});
}
SymbolicTensor logaddexp(const Operand& x1, const Operand& x2) {
  return call_on_operands("Logaddexp", {x1, x2});
}
SymbolicTensor logaddexp2(const Operand& x1, const Operand& x2) {
  return call_on_operands("Logaddexp2", {x1, x2});
}
SymbolicTensor hypot(const SymbolicTensor& x1, const SymbolicTensor& x2) {
  return call_on_operands("Hypot", {x1, x2});
}
SymbolicTensor heaviside(const SymbolicTensor& x1, const SymbolicTensor& x2) {
  return call_on_operands("Heaviside", {x1, x2});
}

}  // namespace lamina::ops
