#pragma once
#include <lamina/layers.h>

#include <string>

// Activations that are layers in Keras, such as `Dense(activation=layers.LeakyReLU())`: what has
// one holds it as an attribute, which weights files then know by its name.
namespace lamina::layers {

/// The activation with the configuration of its layer where it has parameters, which Keras has only
/// of layers; the layer, if it is to be made, is of this policy.
[[nodiscard]] ActivationFunction with_layer_config(ActivationFunction activation,
                                                   const std::string& policy);

/// The layer that it is, made anew; null where it is a function.
[[nodiscard]] LayerPtr make_activation_layer(const ActivationFunction& activation);

}  // namespace lamina::layers
