#include "layers/activation_layer.h"

#include <lamina/error.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "layers/config/object_config.h"
#include "layers/config/registry.h"
#include "layers/naming.h"

namespace lamina::layers {
namespace {

/// Nothing for what no layer of Keras's is.
std::optional<LayerRef> layer_of(const ActivationFunction& function, const std::string& policy) {
  const std::vector<double>& given = function.parameters;
  if (function.name == "relu" && given.size() == 3) {
    ReLUOptions options{.negative_slope = given[0], .threshold = given[2], .dtype = policy};
    if (given[1] != std::numeric_limits<double>::infinity()) options.max_value = given[1];
    return ReLU(std::move(options));
  }
  if (function.name == "leaky_relu" && given.size() == 1) {
    return LeakyReLU({.negative_slope = given[0], .dtype = policy});
  }
  if (function.name == "elu" && given.size() == 1) {
    return ELU({.alpha = given[0], .dtype = policy});
  }
  if (function.name == "softmax" && !given.empty()) {
    return Softmax(
        {.axis = std::vector<std::int64_t>(given.begin(), given.end()), .dtype = policy});
  }
  return std::nullopt;
}

}  // namespace

ActivationFunction with_layer_config(ActivationFunction activation, const std::string& policy) {
  if (activation.parameters.empty() || !activation.layer_config.empty()) return activation;
  try {
    const std::optional<LayerRef> layer = layer_of(activation, policy);
    if (!layer) return activation;
    activation.layer_config =
        object_to_config("keras.layers", (*layer)->class_name(), layer_to_config(**layer)).dump();
  } catch (const ValueError&) {
    // A function with what Keras's layer refuses, such as a negative slope.
  }
  return activation;
}

LayerPtr make_activation_layer(const ActivationFunction& activation) {
  if (activation.layer_config.empty()) return nullptr;
  LayerPtr layer;
  try {
    const auto object = nlohmann::json::parse(activation.layer_config);
    layer = layer_from_config(object.at("class_name"), object.at("config"));
  } catch (const nlohmann::json::exception& error) {
    throw ValueError(std::string("An activation's `layer_config` is no layer's: ") + error.what());
  }
  if (layer && layer->activity_regularizer()) {
    throw UnsupportedError(in_words(*layer).append(
        ": the option 'activity_regularizer' is not supported of a layer that is an activation."));
  }
  return layer;
}

}  // namespace lamina::layers
