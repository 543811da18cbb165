#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>

// What Keras 2 writes of models, and Keras 3 in `.h5` files, as configurations of Keras 3.
namespace lamina::models {

/// A model's object, {"class_name", "config"}, and all that is in it, with what Keras 3's say
/// beside that: modules, calls by arguments, shapes of inputs under today's names. Objects of
/// modules that are not Keras's stay as they are, and what is Keras 3's already. `where` names it
/// in messages. Throws FormatError.
[[nodiscard]] nlohmann::json from_legacy_config(nlohmann::json object, const std::string& where);

/// Whether anything in a configuration has the activation of this name, which Keras 3 has changed.
[[nodiscard]] bool asks_for_hard_sigmoid(const nlohmann::json& config);

/// A `training_config` as a `compile_config`.
[[nodiscard]] nlohmann::json from_legacy_training_config(nlohmann::json config);

}  // namespace lamina::models
