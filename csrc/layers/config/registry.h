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

/// Registered class names, sorted, for messages and the README's table.
[[nodiscard]] std::vector<std::string> registered_layers();

}  // namespace lamina::layers
