// Keras's constraints: names, defaults, and how they stand in configurations. What they compute is
// in kernels/constraints.h.
#include <lamina/constraints.h>
#include <lamina/error.h>

#include <array>

#include "layers/config/config_reader.h"
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

/// Null is all axes; an empty list would be none, which no norm is along.
std::optional<Axes> axis_of(const nlohmann::json& config, ConfigReader& reader) {
  const auto axis = config.find("axis");
  if (axis != config.end() && axis->is_array() && axis->empty()) return std::nullopt;
  return reader.axes("axis", 0);
}

std::optional<Constraint> read_norm(const std::string& class_name, ConfigReader& reader,
                                    const Axes& axis) {
  if (class_name == "MaxNorm") return constraints::MaxNorm{reader.number("max_value", 2), axis};
  if (class_name == "UnitNorm") return constraints::UnitNorm{axis};
  if (class_name != "MinMaxNorm") return std::nullopt;
  return constraints::MinMaxNorm{reader.number("min_value", 0), reader.number("max_value", 1),
                                 reader.number("rate", 1), axis};
}

}  // namespace

std::optional<Constraint> constraint_from_config(const nlohmann::json& value) {
  return object_from_config<Constraint>(
      value, [](const std::string& class_name, ConfigReader& reader) -> std::optional<Constraint> {
        if (class_name == "NonNeg") return constraints::NonNeg{};
        const std::optional<Axes> axis = axis_of(reader.config(), reader);
        return axis ? read_norm(class_name, reader, *axis) : std::nullopt;
      });
}

}  // namespace layers
}  // namespace lamina
