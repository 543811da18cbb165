// Keras's regularizers: names, defaults, and how they stand in configurations. What they compute is
// in kernels/penalties.h.
#include <lamina/error.h>
#include <lamina/regularizers.h>

#include <cmath>
#include <utility>

#include "layers/config/config_reader.h"
#include "layers/config/object_config.h"

namespace lamina {
namespace {

double checked(const char* argument, double value) {
  if (std::isfinite(value) && value >= 0) return value;
  throw ValueError("Invalid value for argument " + std::string(argument) +
                   ": expected a non-negative float. Received: " + argument + "=" +
                   std::to_string(value));
}

}  // namespace

Regularizer::Regularizer(const char* name) : Regularizer(std::string(name)) {}

Regularizer::Regularizer(const std::string& name) {
  if (name == "L1" || name == "l1") {
    *this = regularizers::L1{};
  } else if (name == "L2" || name == "l2") {
    *this = regularizers::L2{};
  } else if (name == "L1L2" || name == "l1l2") {
    *this = regularizers::L1L2{};
  } else if (name == "OrthogonalRegularizer" || name == "orthogonal_regularizer") {
    *this = regularizers::OrthogonalRegularizer{};
  } else {
    throw ValueError(std::string("Could not interpret regularizer identifier: ")
                         .append(name)
                         .append("; there are L1, L1L2, L2, OrthogonalRegularizer"));
  }
}

Regularizer::Regularizer(regularizers::L1 regularizer)
    : class_name_("L1"), l1_(static_cast<float>(checked("l1", regularizer.l1))) {}

Regularizer::Regularizer(regularizers::L2 regularizer)
    : class_name_("L2"), l2_(checked("l2", regularizer.l2)) {}

Regularizer::Regularizer(regularizers::L1L2 regularizer)
    : class_name_("L1L2"), l1_(checked("l1", regularizer.l1)), l2_(checked("l2", regularizer.l2)) {}

Regularizer::Regularizer(regularizers::OrthogonalRegularizer regularizer)
    : class_name_("OrthogonalRegularizer"), orthogonal_(std::move(regularizer)) {
  orthogonal_->factor = static_cast<float>(checked("factor", orthogonal_->factor));
  if (orthogonal_->mode == "rows" || orthogonal_->mode == "columns") return;
  throw ValueError(std::string("Invalid value for argument `mode`. Expected one of "
                               "{\"rows\", \"columns\"}. Received: mode=")
                       .append(orthogonal_->mode));
}

namespace layers {

std::optional<Regularizer> regularizer_from_config(const nlohmann::json& value) {
  return object_from_config<Regularizer>(
      value, [](const std::string& class_name, ConfigReader& reader) -> std::optional<Regularizer> {
        // A null factor is one that was not given.
        const auto factor = [&](const char* name, double fallback) {
          return reader.optional_number(name).value_or(fallback);
        };
        if (class_name == "L1") return regularizers::L1{factor("l1", 0.01)};
        if (class_name == "L2") return regularizers::L2{factor("l2", 0.01)};
        if (class_name == "L1L2") return regularizers::L1L2{factor("l1", 0), factor("l2", 0)};
        if (class_name == "OrthogonalRegularizer") {
          return regularizers::OrthogonalRegularizer{reader.number("factor", 0.01),
                                                     reader.string("mode", "rows")};
        }
        return std::nullopt;
      });
}

}  // namespace layers
}  // namespace lamina
