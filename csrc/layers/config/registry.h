#pragma once
#include <lamina/layer.h>

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace lamina::layers {

/// Makes a layer from Keras's class name and `config` object (the inner one: name, dtype, options).
/// Nothing when the class is not a registered layer (models are the caller's). Throws
/// UnsupportedError naming the layer and the option that is unknown or has a value that Lamina
/// lacks.
[[nodiscard]] LayerPtr layer_from_config(const std::string& class_name,
                                         const nlohmann::json& config);

/// The name under which Keras exports a layer's class, which configurations have: its class name
/// but for GroupedQueryAttention, by which weights files call that one.
[[nodiscard]] std::string exported_name(const Layer& layer);

/// The `config` object of such a layer as it is now, which Keras's class and `layer_from_config`
/// make one like it of. Null for any other. Throws UnsupportedError naming the layer and an option
/// that no configuration can hold.
[[nodiscard]] nlohmann::json layer_to_config(const Layer& layer);

/// Keras's serialised object of such a layer, around that `config`.
[[nodiscard]] nlohmann::json object_of_layer(const Layer& layer, nlohmann::json config);

/// Registered class names, sorted, for messages and the README's table.
[[nodiscard]] std::vector<std::string> registered_layers();

}  // namespace lamina::layers
