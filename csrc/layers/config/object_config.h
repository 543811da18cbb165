#pragma once
#include <lamina/error.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "layers/config/config_reader.h"

namespace lamina::layers {

/// The string under `key`; empty where there is none.
[[nodiscard]] inline std::string text_or_empty(const nlohmann::json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}

/// Whether a serialized object is of a class of the user's, which may have the name of one of
/// Keras's: it is of another module, or was registered under a package ("mine>L2").
[[nodiscard]] inline bool is_foreign(const nlohmann::json& object) {
  const std::string module = text_or_empty(object, "module");
  return (!module.empty() && !module.starts_with("keras.")) ||
         text_or_empty(object, "registered_name").find('>') != std::string::npos;
}

/// An object from its configuration: a name, or {"class_name", "config"} read by `read(class_name,
/// reader)`. Nothing when Lamina lacks the class or one of its options.
template <class T, class Read>
[[nodiscard]] std::optional<T> object_from_config(const nlohmann::json& value, const Read& read) {
  try {
    if (value.is_string()) return T(value.get<std::string>());
    if (!value.is_object() || is_foreign(value)) return std::nullopt;
    const nlohmann::json config = value.value("config", nlohmann::json::object());
    ConfigReader reader(text_or_empty(value, "class_name"), config);
    std::optional<T> result = read(reader.class_name(), reader);
    if (result) reader.finish();
    return result;
  } catch (const ValueError&) {  // the caller names layer and option
    return std::nullopt;
  }
}

}  // namespace lamina::layers
