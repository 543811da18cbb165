// Functions of one tensor, element by element, made of arithmetic.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "layers/axes.h"
#include "layers/masks.h"
#include "layers/operations/operations.h"
#include "layers/operations/parts.h"
#include "layers/operations/promotion.h"
#include "layers/operations/unary.h"

namespace lamina::layers {
namespace {

using ops::Unary;

/// The least and the largest finite number of a dtype that a double holds.
struct Limits {
  double least, most;
};

Limits limits_of(DType dtype) {
  Limits out{0, 1};  // a bool's
  const auto of_float = [&out](double most) { out = {-most, most}; };
  dispatch(dtype, [&]<class T>(T) {
    if constexpr (std::is_same_v<T, float16>) {
      of_float(65504);
    } else if constexpr (std::is_same_v<T, bfloat16>) {
      of_float(0x1.FEp127);
    } else if constexpr (std::is_floating_point_v<T>) {
      of_float(std::numeric_limits<T>::max());
    } else {
      const auto most = static_cast<double>(std::numeric_limits<T>::max());
      out = {static_cast<double>(std::numeric_limits<T>::lowest()),
             sizeof(T) == 8 ? std::nextafter(most, 0.0) : most};
    }
  });
  return out;
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
  [[nodiscard]] DType dtype(const DTypes& x) const override { return float_as_wide(x.at(0)); }
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

/// What is no finite number is another one; no numbers for what is infinite: the largest there are.
class NanToNum final : public Operation {
 public:
  explicit NanToNum(OperationForm form)
      : Operation(std::move(form), Operands::kTensor, {"nan", "posinf", "neginf"}) {
    for (const char* key : {"nan", "posinf", "neginf"}) (void)number(key, 0);
  }

 protected:
  [[nodiscard]] Shape shape(const Shapes& x) const override { return x.at(0); }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& ids) const override {
    const ValueId x = ids[0];
    const DType dtype = builder.dtype(x);
    if (!is_floating(dtype)) return x;
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    const auto is = [&](ValueId of, double value) {
      return builder.binary(ops::Binary::kEqual, of, constant(builder, value, dtype));
    };
    // 0 that is subtracted leaves a 0 of either sign as it is.
    const auto with = [&](ValueId y, ValueId mask, double value) {
      return builder.binary(ops::Binary::kSubtract, y,
                            kept(builder, constant(builder, -value, dtype), mask));
    };
    ValueId y = kept(builder, x, finite(builder, x));
    y = with(y, is(builder.binary(ops::Binary::kEqual, x, x), 0), number("nan", 0));
    y = with(y, is(x, kInfinity), number("posinf", limits_of(dtype).most));
    return with(y, is(x, -kInfinity), number("neginf", limits_of(dtype).least));
  }
};

/// What the dtype cannot hold becomes the nearest that both dtypes hold.
class SaturateCast final : public Operation {
 public:
  explicit SaturateCast(OperationForm form)
      : Operation(std::move(form), Operands::kTensor, {"dtype"}) {
    const std::optional<DType> given = dtype_option("dtype");
    if (!given) unsupported("a `dtype` that is None");
    to_ = *given;
  }

 protected:
  [[nodiscard]] Shape shape(const Shapes& x) const override { return x.at(0); }
  [[nodiscard]] DType dtype(const DTypes& x) const override {
    const bool wide = dtype_size(x.at(0)) == 8 && dtype_size(to_) == 8 && x[0] != to_;
    if (wide && !is_floating(x[0]) && !is_floating(to_)) unsupported("integers of 64 bits");
    return to_;
  }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& ids) const override {
    const DType from = result_of(builder, ids[0]);
    ValueId x = builder.cast(ids[0], from);
    const Limits in = limits_of(from), out = limits_of(to_);
    // Integers have nothing beyond their own limits; floats have infinities.
    if (is_floating(from) || out.least > in.least) {
      const double least = -below(-std::max(in.least, out.least), from);
      x = builder.binary(ops::Binary::kMaximum, x, constant(builder, least, from));
    }
    if (is_floating(from) || out.most < in.most) {
      const double most = below(std::min(in.most, out.most), from);
      x = builder.binary(ops::Binary::kMinimum, x, constant(builder, most, from));
    }
    return builder.cast(x, to_);
  }

 private:
  /// No backend computes with bools.
  [[nodiscard]] static DType result_of(const Builder& builder, ValueId x) {
    return builder.dtype(x) == DType::kBool ? DType::kUInt8 : builder.dtype(x);
  }
  /// The limit, not negative, or what is the next smaller number of the dtype where that is beyond
  /// it, which then is a power of two: the limits of integers are one less than one, and a
  /// float16's becomes one as a bfloat16.
  [[nodiscard]] static double below(double limit, DType dtype) {
    if (!is_floating(dtype)) return limit;
    const double nearest = rounded({limit}, dtype)[0];
    return nearest > limit ? nearest - nearest * half_ulp(dtype) : nearest;
  }
  /// Of 1: as far below it is the next number.
  [[nodiscard]] static double half_ulp(DType dtype) {
    switch (dtype) {
      case DType::kFloat16:
        return 0x1p-11;
      case DType::kBFloat16:
        return 0x1p-8;
      case DType::kFloat32:
        return 0x1p-24;
      default:
        return 0x1p-53;
    }
  }

  DType to_ = DType::kFloat32;
};

}  // namespace

OperationRows composed_operations() {
  return {
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
      operation_row<Clip>("Clip", kNumpyOps),
      operation_row<NanToNum>("NanToNum", kNumpyOps),
      operation_row<SaturateCast>("SaturateCast", kCoreOps),
  };
}

}  // namespace lamina::layers

namespace lamina::ops {

using layers::call_operation;

LAMINA_UNARY_OPERATION(absolute, "Absolute")
LAMINA_UNARY_OPERATION(abs, "Absolute")
LAMINA_UNARY_OPERATION(negative, "Negative")
LAMINA_UNARY_OPERATION(square, "Square")
LAMINA_UNARY_OPERATION(sign, "Sign")
LAMINA_UNARY_OPERATION(log2, "Log2")
LAMINA_UNARY_OPERATION(log10, "Log10")
LAMINA_UNARY_OPERATION(reciprocal, "Reciprocal")
LAMINA_UNARY_OPERATION(deg2rad, "Deg2rad")
LAMINA_UNARY_OPERATION(rad2deg, "Rad2deg")
LAMINA_UNARY_OPERATION(log_sigmoid, "LogSigmoid")

SymbolicTensor round(const SymbolicTensor& x, std::int64_t decimals) {
  return call_operation("Round", x, {{"decimals", decimals}});
}
SymbolicTensor clip(const SymbolicTensor& x, const Operand& x_min, const Operand& x_max) {
  return call_operation(
      "Clip", x,
      {{"x_min", layers::number_to_config(x_min)}, {"x_max", layers::number_to_config(x_max)}});
}
SymbolicTensor nan_to_num(const SymbolicTensor& x, double nan, std::optional<double> posinf,
                          std::optional<double> neginf) {
  const auto or_null = [](const std::optional<double>& number) {
    return number ? nlohmann::json(*number) : nlohmann::json();
  };
  return call_operation("NanToNum", x,
                        {{"nan", nan}, {"posinf", or_null(posinf)}, {"neginf", or_null(neginf)}});
}

SymbolicTensor saturate_cast(const SymbolicTensor& x, DType dtype) {
  return call_operation("SaturateCast", x, {{"dtype", layers::dtype_to_config(dtype)}});
}

}  // namespace lamina::ops
