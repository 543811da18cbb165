#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>

// What Keras 2 writes of models, and Keras 3 in `.h5` files, as configurations of Keras 3.
namespace lamina::models {

/// A model's object, {"class_name", "config"}, and all that is in it, with what Keras 3's say
/// beside that: modules, calls by arguments, shapes of inputs under today's names. Objects that
/// have a module stay as they are. `where` names it in messages. Throws FormatError.
[[nodiscard]] nlohmann::json from_legacy_config(nlohmann::json object, const std::string& where);

/// A `training_config` as a `compile_config`.
[[nodiscard]] nlohmann::json from_legacy_training_config(nlohmann::json config);

}  // namespace lamina::models
