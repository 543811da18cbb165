#pragma once
#include <lamina/axes.h>

#include <string>
#include <variant>

namespace lamina {

/// Keras's constraints as values. Norms are taken along `axis` (one or several; `{}`: all), for
/// each position along the others: of a Dense kernel (in, units) axis 0 is each unit's incoming
/// weights, of a Conv2D kernel (rows, cols, in, filters) axes {0, 1, 2} are each filter.
namespace constraints {

/// w * min(norm, max_value) / (1e-7 + norm)
struct MaxNorm {
  double max_value = 2.0;
  layers::Axes axis = 0;
};
/// max(w, 0)
struct NonNeg {};
/// w / (1e-7 + norm)
struct UnitNorm {
  layers::Axes axis = 0;
};
/// w * (rate * clip(norm, min_value, max_value) + (1 - rate) * norm) / (1e-7 + norm)
struct MinMaxNorm {
  double min_value = 0.0, max_value = 1.0, rate = 1.0;
  layers::Axes axis = 0;
};

}  // namespace constraints

/// What becomes of a variable after each step of an optimizer: nothing, one of the structs above,
/// or the Keras name of one with its defaults: "MaxNorm", "NonNeg", "UnitNorm", "MinMaxNorm", or
/// "max_norm", "non_neg", "unit_norm", "min_max_norm". Other names throw ValueError.
class Constraint {
 public:
  using Kind = std::variant<std::monostate, constraints::MaxNorm, constraints::NonNeg,
                            constraints::UnitNorm, constraints::MinMaxNorm>;

  Constraint() = default;
  Constraint(const char* name);                    // NOLINT: implicit on purpose
  Constraint(const std::string& name);             // NOLINT
  Constraint(constraints::MaxNorm constraint);     // NOLINT
  Constraint(constraints::NonNeg constraint);      // NOLINT
  Constraint(constraints::UnitNorm constraint);    // NOLINT
  Constraint(constraints::MinMaxNorm constraint);  // NOLINT

  [[nodiscard]] explicit operator bool() const noexcept { return kind_.index() != 0; }
  /// Keras's: "MaxNorm"; empty for none.
  [[nodiscard]] std::string class_name() const;
  [[nodiscard]] const Kind& kind() const noexcept { return kind_; }

 private:
  Kind kind_;
};

}  // namespace lamina
