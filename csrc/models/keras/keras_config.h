#pragma once
#include <lamina/model.h>

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace lamina::models {

/// A model from Keras's serialised object: {"module", "class_name", "config", ...}. `where` names
/// it in messages. Throws FormatError and UnsupportedError.
[[nodiscard]] ModelPtr model_from_object(const nlohmann::json& object, const std::string& where);

/// The same for anything that may stand in a model's `layers`; null for an operation of keras.ops,
/// which is made call by call.
[[nodiscard]] LayerPtr layer_from_object(const nlohmann::json& object, const std::string& where);

[[nodiscard]] ModelPtr functional_from_config(const nlohmann::json& config,
                                              const std::string& where);
[[nodiscard]] ModelPtr sequential_from_config(const nlohmann::json& config,
                                              const std::string& where);

}  // namespace lamina::models
