// The options that are objects themselves: seeds, initializers, activations, regularizers,
// constraints, layers, dtypes.
#include "layers/activation_function.h"
#include "layers/config/config_reader.h"
#include "layers/config/held_model.h"
#include "layers/config/object_config.h"
#include "layers/config/registry.h"

namespace lamina::layers {
namespace {

using nlohmann::json;

/// What `make` says of a name that it refuses: which names there are.
template <class Make>
std::string said_of(const json& value, const Make& make) {
  if (!value.is_string()) return "";
  try {
    make(value.get<std::string>());
  } catch (const ValueError& error) {
    return std::string(". ").append(error.what());
  }
  return "";
}

}  // namespace

void ConfigReader::seed(std::optional<std::uint64_t>& value) {
  const json* found = find_given("seed");
  if (found == nullptr) return;
  if (found->is_object() && text_or_empty(*found, "class_name") == "SeedGenerator") {
    const json config = found->value("config", json());
    ConfigReader generator("SeedGenerator", config);
    generator.seed(value);
    return;
  }
  const std::int64_t seed = to_integer("seed", *found);
  if (seed < 0) unsupported("seed");
  value = static_cast<std::uint64_t>(seed);
}

void ConfigReader::initializer(std::string_view option, Initializer& value) {
  const json* found = find_given(option);
  if (found == nullptr) return;
  std::optional<Initializer> result = initializer_from_config(*found);
  if (!result) {
    unsupported(option, said_of(*found, [](const std::string& name) { (void)Initializer(name); }));
  }
  value = std::move(*result);
}

void ConfigReader::activation(std::string_view option, ActivationFunction& value) {
  const json* found = find(option);
  if (found == nullptr) return;
  std::optional<ActivationFunction> result = activation_from_config(*found);
  if (!result) {
    unsupported(option, said_of(*found, [](const std::string& name) { check_activation(name); }));
  }
  value = std::move(*result);
}

void ConfigReader::regularizer(std::string_view option, Regularizer& value) {
  const json* found = find_given(option);
  if (found == nullptr) return;
  std::optional<Regularizer> result = regularizer_from_config(*found);
  if (!result) training_only({option});
  value = std::move(result).value_or(Regularizer());
}

void ConfigReader::constraint(std::string_view option, Constraint& value) {
  const json* found = find_given(option);
  if (found == nullptr) return;
  std::optional<Constraint> result = constraint_from_config(*found);
  if (!result) training_only({option});
  value = std::move(result).value_or(Constraint());
}

LayerPtr ConfigReader::to_layer(std::string_view option, const json& value) const {
  if (!value.is_object() || is_foreign(value)) unsupported(option);
  const std::string class_name = text_or_empty(value, "class_name");
  LayerPtr layer = layer_from_config(class_name, value.value("config", json::object()));
  if (!layer) layer = held_model_from_object(value, named(option));
  if (layer) return layer;
  throw UnsupportedError(
      named(option).append(": the class '").append(class_name).append("' is not supported."));
}

void ConfigReader::layer(std::string_view option, LayerPtr& value, bool optional) {
  const json* found = find(option);
  if (optional && (found == nullptr || found->is_null())) return;
  if (found == nullptr) unsupported(option);
  value = to_layer(option, *found);
}

void ConfigReader::layers(std::string_view option, std::vector<LayerPtr>& value) {
  const json* found = find(option);
  if (found == nullptr || !found->is_array()) unsupported(option);
  value.clear();
  for (const json& item : *found) value.push_back(to_layer(option, item));
}

Regularizer ConfigReader::activity_regularizer() {
  constexpr std::string_view kOption = "activity_regularizer";
  Regularizer value;
  regularizer(kOption, value);
  if (!value.orthogonal()) return value;
  training_only({kOption});  // of weights only
  return {};
}

void ConfigReader::dtype(std::string& name) {
  const json* found = find_given("dtype");
  if (found == nullptr) return;
  if (found->is_object()) {
    const std::string policy = text_or_empty(*found, "class_name");
    const json config = found->value("config", json::object());
    if ((policy != "DTypePolicy" && policy != "FloatDTypePolicy") || !config.is_object() ||
        !config.value("name", json()).is_string()) {
      unsupported("dtype");
    }
    name = config.at("name").get<std::string>();
  } else if (found->is_string()) {
    name = found->get<std::string>();
  } else {
    unsupported("dtype");
  }
  try {
    (void)DTypePolicy::from_name(name);
  } catch (const ValueError&) {
    unsupported("dtype");
  }
}

void ConfigReader::dtype_policy(std::string& name) {
  dtype(name);
}

}  // namespace lamina::layers
