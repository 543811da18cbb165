// Keras's regularizers: names, defaults, and how they stand in configurations. What they compute is
// in kernels/penalties.h.
#include <lamina/error.h>
#include <lamina/regularizers.h>

#include <cmath>
#include <utility>

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
namespace {

/// A null factor is one that was not given.
void factor(Config& config, const char* option, double& value) {
  std::optional<double> given = value;
  config.optional_number(option, given);
  value = given.value_or(value);
}
void describe_regularizer(Config& config, regularizers::L1& regularizer) {
  factor(config, "l1", regularizer.l1);
}
void describe_regularizer(Config& config, regularizers::L2& regularizer) {
  factor(config, "l2", regularizer.l2);
}
void describe_regularizer(Config& config, regularizers::L1L2& regularizer) {
  factor(config, "l1", regularizer.l1);
  factor(config, "l2", regularizer.l2);
}
void describe_regularizer(Config& config, regularizers::OrthogonalRegularizer& regularizer) {
  config.number("factor", regularizer.factor);
  config.string("mode", regularizer.mode);
}

template <class Kind>
Regularizer read(ConfigReader& reader) {
  Kind kind;
  describe_regularizer(reader, kind);
  return kind;
}

}  // namespace

std::optional<Regularizer> regularizer_from_config(const nlohmann::json& value) {
  return object_from_config<Regularizer>(
      value, [](const std::string& class_name, ConfigReader& reader) -> std::optional<Regularizer> {
        if (class_name == "L1") return read<regularizers::L1>(reader);
        if (class_name == "L2") return read<regularizers::L2>(reader);
        if (class_name == "L1L2") return read<regularizers::L1L2>(reader);
        if (class_name == "OrthogonalRegularizer") {
          return read<regularizers::OrthogonalRegularizer>(reader);
        }
        return std::nullopt;
      });
}

nlohmann::json regularizer_to_config(const Regularizer& value, ConfigWriter&& writer) {
  if (!value) return nullptr;
  const auto describe = [&](auto kind) { describe_regularizer(writer, kind); };
  if (value.orthogonal()) {
    describe(*value.orthogonal());
  } else if (value.class_name() == "L1") {
    describe(regularizers::L1{value.l1()});
  } else if (value.class_name() == "L2") {
    describe(regularizers::L2{value.l2()});
  } else {
    describe(regularizers::L1L2{value.l1(), value.l2()});
  }
  return object_to_config("keras.regularizers", value.class_name(), std::move(writer).take());
}

}  // namespace layers
}  // namespace lamina
