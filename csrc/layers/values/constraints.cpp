// Keras's constraints: names, defaults, and how they stand in configurations. What they compute is
// in kernels/constraints.h.
#include <lamina/constraints.h>
#include <lamina/error.h>

#include <array>

#include "layers/config/object_config.h"

namespace lamina {
namespace {

/// By the alternatives of Constraint::Kind.
constexpr std::array kClasses = {"", "MaxNorm", "NonNeg", "UnitNorm", "MinMaxNorm"};
static_assert(kClasses.size() == std::variant_size_v<Constraint::Kind>);

}  // namespace

Constraint::Constraint(const char* name) : Constraint(std::string(name)) {}

Constraint::Constraint(const std::string& name) {
  if (name == "MaxNorm" || name == "max_norm") {
    kind_ = constraints::MaxNorm{};
  } else if (name == "NonNeg" || name == "non_neg") {
    kind_ = constraints::NonNeg{};
  } else if (name == "UnitNorm" || name == "unit_norm") {
    kind_ = constraints::UnitNorm{};
  } else if (name == "MinMaxNorm" || name == "min_max_norm") {
    kind_ = constraints::MinMaxNorm{};
  } else {
    throw ValueError(std::string("Could not interpret constraint identifier: ")
                         .append(name)
                         .append("; there are MaxNorm, MinMaxNorm, NonNeg, UnitNorm"));
  }
}

Constraint::Constraint(constraints::MaxNorm constraint) : kind_(std::move(constraint)) {}
Constraint::Constraint(constraints::NonNeg constraint) : kind_(constraint) {}
Constraint::Constraint(constraints::UnitNorm constraint) : kind_(std::move(constraint)) {}
Constraint::Constraint(constraints::MinMaxNorm constraint) : kind_(std::move(constraint)) {}

std::string Constraint::class_name() const {
  return kClasses[kind_.index()];
}

namespace layers {
namespace {

void describe_constraint(Config& config, constraints::MaxNorm& constraint) {
  config.number("max_value", constraint.max_value);
  config.axes("axis", constraint.axis, AxesForm::kOneOrListOrNull);
}
void describe_constraint(Config&, constraints::NonNeg&) {}
void describe_constraint(Config& config, constraints::UnitNorm& constraint) {
  config.axes("axis", constraint.axis, AxesForm::kOneOrListOrNull);
}
void describe_constraint(Config& config, constraints::MinMaxNorm& constraint) {
  config.number("min_value", constraint.min_value);
  config.number("max_value", constraint.max_value);
  config.number("rate", constraint.rate);
  config.axes("axis", constraint.axis, AxesForm::kOneOrListOrNull);
}

}  // namespace

std::optional<Constraint> constraint_from_config(const nlohmann::json& value) {
  return object_from_config<Constraint>(
      value, [](const std::string& class_name, ConfigReader& reader) {
        return alternative_from_config<Constraint>(
            class_name, reader,
            [](Config& config, auto& constraint) { describe_constraint(config, constraint); });
      });
}

nlohmann::json constraint_to_config(const Constraint& value, ConfigWriter&& writer) {
  if (!value) return nullptr;
  std::visit(
      [&]<class Kind>(Kind constraint) {
        if constexpr (!std::is_same_v<Kind, std::monostate>) {
          describe_constraint(writer, constraint);
        }
      },
      value.kind());
  return object_to_config("keras.constraints", value.class_name(), std::move(writer).take());
}

}  // namespace layers
}  // namespace lamina
