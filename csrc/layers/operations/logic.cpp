// Comparisons, what is said of bools, and the choice by them.
#include <limits>

#include "layers/masks.h"
#include "layers/operations/operations.h"
#include "layers/operations/parts.h"
#include "layers/operations/promotion.h"

namespace lamina::layers {
namespace {

using ops::Binary;

class Comparison final : public Broadcasting {
 public:
  /// What is asked of the operands, or of these in the other order, and whether for its contrary.
  struct Kind {
    Binary of;
    bool swapped = false, inverse = false;
  };
  Comparison(OperationForm form, Kind kind) : Broadcasting(std::move(form)), kind_(kind) {}

 protected:
  [[nodiscard]] DType dtype(const DTypes&) const override { return DType::kBool; }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    DTypes dtypes;
    for (const ValueId id : x) dtypes.push_back(builder.dtype(id));
    const DType common = promoted_operands(form().args, dtypes);
    Ids values =
        as_values(builder, form().args, x, common == DType::kBool ? DType::kFloat32 : common);
    if (kind_.swapped) std::swap(values[0], values[1]);
    const ValueId y = builder.cast(builder.binary(kind_.of, values[0], values[1]), DType::kBool);
    return kind_.inverse ? logical_not(builder, y) : y;
  }

 private:
  Kind kind_;
};

/// LogicalNot, LogicalAnd, LogicalOr, LogicalXor.
class Logic final : public Broadcasting {
 public:
  using TwoMasks = ValueId (*)(Builder&, ValueId, ValueId);
  /// Null: not.
  Logic(OperationForm form, TwoMasks of)
      : Broadcasting(std::move(form), of == nullptr ? Operands::kTensor : Operands::kTwo), of_(of) {
    if (this->form().tensors != this->form().args.size()) unsupported("a number");
  }

 protected:
  [[nodiscard]] DType dtype(const DTypes&) const override { return DType::kBool; }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    return of_ == nullptr ? logical_not(builder, x[0]) : of_(builder, x[0], x[1]);
  }

 private:
  TwoMasks of_;
};

/// Isnan, Isinf, Isposinf, Isneginf and Isfinite. Integers are finite.
class Finiteness final : public Operation {
 public:
  enum class Kind : std::uint8_t { kNan, kInf, kPositiveInf, kNegativeInf, kFinite };
  Finiteness(OperationForm form, Kind kind)
      : Operation(std::move(form), Operands::kTensor, {}), kind_(kind) {}

 protected:
  [[nodiscard]] Shape shape(const Shapes& x) const override { return x.at(0); }
  [[nodiscard]] DType dtype(const DTypes&) const override { return DType::kBool; }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& ids) const override {
    const ValueId x = ids[0];
    if (!is_floating(builder.dtype(x))) {
      return constant_mask(builder, builder.shape(x), kind_ == Kind::kFinite);
    }
    if (kind_ == Kind::kPositiveInf || kind_ == Kind::kNegativeInf) {
      const double infinity = std::numeric_limits<double>::infinity();
      const ValueId wanted =
          constant(builder, kind_ == Kind::kPositiveInf ? infinity : -infinity, builder.dtype(x));
      return builder.cast(builder.binary(Binary::kEqual, x, wanted), DType::kBool);
    }
    const ValueId is_finite = builder.cast(finite(builder, x), DType::kBool);
    if (kind_ == Kind::kFinite) return is_finite;
    const ValueId is_number = builder.cast(builder.binary(Binary::kEqual, x, x), DType::kBool);
    if (kind_ == Kind::kNan) return logical_not(builder, is_number);
    return logical_and(builder, is_number, logical_not(builder, is_finite));
  }

 private:
  Kind kind_;
};

/// Of 0 and NaN, too, the sign is seen; integers have one where they are less than 0.
class Signbit final : public Operation {
 public:
  explicit Signbit(OperationForm form) : Operation(std::move(form), Operands::kTensor, {}) {}

 protected:
  [[nodiscard]] Shape shape(const Shapes& x) const override { return x.at(0); }
  [[nodiscard]] DType dtype(const DTypes& x) const override {
    if (x.at(0) == DType::kBool) unsupported("a tensor of bools");
    return DType::kBool;
  }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    const DType dtype = builder.dtype(x[0]);
    const ValueId y = is_floating(dtype)
                          ? builder.activation(x[0], {ops::Unary::kSignbit})
                          : builder.binary(Binary::kGreater, constant(builder, 0, dtype), x[0]);
    return builder.cast(y, DType::kBool);
  }
};

ValueId logical_xor(Builder& builder, ValueId a, ValueId b) {
  return logical_and(builder, logical_or(builder, a, b),
                     logical_not(builder, logical_and(builder, a, b)));
}

/// Whether operands are near each other, or the same. Their tolerances belong to the call.
class Isclose final : public Operation {
 public:
  explicit Isclose(OperationForm form)
      : Operation(std::move(form), Operands::kOthers, {"equal_nan"}),
        equal_nan_(flag("equal_nan")) {
    const nlohmann::json& args = this->form().args;
    bool good = args.size() >= 2 && args.size() <= 4 && this->form().tensors > 0;
    for (std::size_t i = 0; good && i < args.size(); ++i) {
      good = args[i].is_number() || (i < 2 && is_tensor_argument(args[i]));
    }
    if (!good) unsupported("what it is called with");
    if (args.size() > 2) relative_ = args[2].get<double>();
    if (args.size() > 3) absolute_ = args[3].get<double>();
  }

 protected:
  [[nodiscard]] Shape shape(const Shapes& x) const override {
    return x.size() == 1 ? x[0] : broadcast(x.at(0), x.at(1));
  }
  [[nodiscard]] DType dtype(const DTypes&) const override { return DType::kBool; }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    DTypes dtypes;
    for (const ValueId id : x) dtypes.push_back(builder.dtype(id));
    const nlohmann::json both = nlohmann::json::array({form().args[0], form().args[1]});
    const DType dtype = promoted_with_float(promoted_operands(both, dtypes));
    const Ids values = as_values(builder, both, x, dtype);
    const ValueId apart = builder.activation(
        builder.binary(Binary::kSubtract, values[0], values[1]), {ops::Unary::kAbsolute});
    ValueId limit = builder.binary(Binary::kMultiply, constant(builder, relative_, dtype),
                                   builder.activation(values[1], {ops::Unary::kAbsolute}));
    limit = builder.binary(Binary::kAdd, constant(builder, absolute_, dtype), limit);
    const ValueId near = logical_and(builder, finite(builder, values[1]),
                                     builder.binary(Binary::kGreaterEqual, limit, apart));
    ValueId y = logical_or(builder, near, builder.binary(Binary::kEqual, values[0], values[1]));
    if (!equal_nan_) return y;
    const auto is_nan = [&](ValueId value) {
      return logical_not(builder, builder.binary(Binary::kEqual, value, value));
    };
    return logical_or(builder, y, logical_and(builder, is_nan(values[0]), is_nan(values[1])));
  }

 private:
  bool equal_nan_;
  double relative_ = 1e-5, absolute_ = 1e-8;
};

class Where final : public Operation {
 public:
  explicit Where(OperationForm form) : Operation(std::move(form), Operands::kOthers, {}) {
    const nlohmann::json& args = this->form().args;
    bool good = args.size() == 3 && is_tensor_argument(args[0]);
    for (std::size_t i = 1; good && i < 3; ++i) {
      good = is_tensor_argument(args[i]) || args[i].is_number();
    }
    if (!good) unsupported("what it is called with");
  }

 protected:
  [[nodiscard]] Shape shape(const Shapes& x) const override {
    Shape out = x.at(0);
    for (std::size_t i = 1; i < x.size(); ++i) out = broadcast(out, x[i]);
    return out;
  }
  /// Two numbers: what they are to each other.
  [[nodiscard]] DType dtype(const DTypes& x) const override {
    if (x.size() == 1) return promoted_operands(choices(), {DType::kBool});
    return promoted_operands(choices(), {x.begin() + 1, x.end()});
  }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    const DType dtype = result(builder, x).dtype;
    const DType computed = dtype == DType::kBool ? DType::kFloat32 : dtype;
    const Ids values = as_values(builder, choices(), {x.begin() + 1, x.end()}, computed);
    const ValueId y = builder.binary(Binary::kAdd, kept(builder, values[0], x[0]),
                                     kept(builder, values[1], logical_not(builder, x[0])));
    return builder.cast(y, dtype);
  }

 private:
  [[nodiscard]] nlohmann::json choices() const {
    return nlohmann::json::array({form().args[1], form().args[2]});
  }
};

}  // namespace

OperationRows logic_operations() {
  const auto row = [](std::string_view name, Comparison::Kind kind) {
    return operation_row<Comparison>(name, kNumpyOps, kind);
  };
  return {row("Equal", {Binary::kEqual}),
          row("NotEqual", {Binary::kEqual, false, true}),
          row("Greater", {Binary::kGreater}),
          row("GreaterEqual", {Binary::kGreaterEqual}),
          row("Less", {Binary::kGreater, true}),
          row("LessEqual", {Binary::kGreaterEqual, true}),
          operation_row<Logic>("LogicalNot", kNumpyOps, Logic::TwoMasks{}),
          operation_row<Logic>("LogicalAnd", kNumpyOps, Logic::TwoMasks{logical_and}),
          operation_row<Logic>("LogicalOr", kNumpyOps, Logic::TwoMasks{logical_or}),
          operation_row<Logic>("LogicalXor", kNumpyOps, Logic::TwoMasks{logical_xor}),
          operation_row<Finiteness>("Isnan", kNumpyOps, Finiteness::Kind::kNan),
          operation_row<Finiteness>("Isinf", kNumpyOps, Finiteness::Kind::kInf),
          operation_row<Finiteness>("Isposinf", kNumpyOps, Finiteness::Kind::kPositiveInf),
          operation_row<Finiteness>("Isneginf", kNumpyOps, Finiteness::Kind::kNegativeInf),
          operation_row<Signbit>("Signbit", kNumpyOps),
          operation_row<Finiteness>("Isfinite", kNumpyOps, Finiteness::Kind::kFinite),
          operation_row<Isclose>("Isclose", kNumpyOps),
          operation_row<Where>("Where", kNumpyOps)};
}

}  // namespace lamina::layers

namespace lamina::ops {

using layers::call_on_operands;

SymbolicTensor equal(const Operand& x1, const Operand& x2) {
  return call_on_operands("Equal", {x1, x2});
}
SymbolicTensor not_equal(const Operand& x1, const Operand& x2) {
  return call_on_operands("NotEqual", {x1, x2});
}
SymbolicTensor greater(const Operand& x1, const Operand& x2) {
  return call_on_operands("Greater", {x1, x2});
}
SymbolicTensor greater_equal(const Operand& x1, const Operand& x2) {
  return call_on_operands("GreaterEqual", {x1, x2});
}
SymbolicTensor less(const Operand& x1, const Operand& x2) {
  return call_on_operands("Less", {x1, x2});
}
SymbolicTensor less_equal(const Operand& x1, const Operand& x2) {
  return call_on_operands("LessEqual", {x1, x2});
}
SymbolicTensor isclose(const Operand& x1, const Operand& x2, double rtol, double atol,
                       bool equal_nan) {
  return call_on_operands("Isclose", {x1, x2, rtol, atol}, {{"equal_nan", equal_nan}});
}
SymbolicTensor logical_and(const SymbolicTensor& x1, const SymbolicTensor& x2) {
  return call_on_operands("LogicalAnd", {x1, x2});
}
SymbolicTensor logical_or(const SymbolicTensor& x1, const SymbolicTensor& x2) {
  return call_on_operands("LogicalOr", {x1, x2});
}
SymbolicTensor logical_xor(const SymbolicTensor& x1, const SymbolicTensor& x2) {
  return call_on_operands("LogicalXor", {x1, x2});
}
SymbolicTensor isnan(const SymbolicTensor& x) {
  return layers::call_operation("Isnan", x);
}
SymbolicTensor isinf(const SymbolicTensor& x) {
  return layers::call_operation("Isinf", x);
}
SymbolicTensor isposinf(const SymbolicTensor& x) {
  return layers::call_operation("Isposinf", x);
}
SymbolicTensor isneginf(const SymbolicTensor& x) {
  return layers::call_operation("Isneginf", x);
}
SymbolicTensor signbit(const SymbolicTensor& x) {
  return layers::call_operation("Signbit", x);
}
SymbolicTensor isfinite(const SymbolicTensor& x) {
  return layers::call_operation("Isfinite", x);
}
SymbolicTensor logical_not(const SymbolicTensor& x) {
  return layers::call_operation("LogicalNot", x);
}
SymbolicTensor where(const SymbolicTensor& condition, const Operand& x1, const Operand& x2) {
  return call_on_operands("Where", {condition, x1, x2});
}

}  // namespace lamina::ops
