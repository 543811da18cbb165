#pragma once
#include <lamina/error.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "layers/config/config_reader.h"
#include "layers/config/config_writer.h"

namespace lamina::layers {

/// An initializer from its configuration: a name, or {"class_name", "config"}. Nothing when Lamina
/// lacks it or one of its options.
[[nodiscard]] std::optional<Initializer> initializer_from_config(const nlohmann::json& value);
/// The same of regularizers and constraints, null aside.
[[nodiscard]] std::optional<Regularizer> regularizer_from_config(const nlohmann::json& value);
[[nodiscard]] std::optional<Constraint> constraint_from_config(const nlohmann::json& value);
/// An activation from its configuration: null, a name, or an object (a function, or an activation
/// layer).
[[nodiscard]] std::optional<ActivationFunction> activation_from_config(const nlohmann::json& value);

// What Keras writes for them, null for none. `writer` is for the `config` inside; what cannot be
// written it refuses.
[[nodiscard]] nlohmann::json initializer_to_config(const Initializer& value, ConfigWriter&& writer);
[[nodiscard]] nlohmann::json regularizer_to_config(const Regularizer& value, ConfigWriter&& writer);
[[nodiscard]] nlohmann::json constraint_to_config(const Constraint& value, ConfigWriter&& writer);
[[nodiscard]] nlohmann::json activation_to_config(const ActivationFunction& value,
                                                  ConfigWriter&& writer);

/// Keras's serialised object, of a class of `module`.
[[nodiscard]] nlohmann::json object_to_config(const char* module, const std::string& class_name,
                                              nlohmann::json config);
/// A list, null for dimensions that are not known.
[[nodiscard]] nlohmann::json shape_to_config(const Shape& shape);

/// The string under `key`; empty where there is none.
[[nodiscard]] inline std::string text_or_empty(const nlohmann::json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}

/// Whether a serialized object is of a class of the user's, which may have the name of one of
/// Keras's: it is of another module, where there is one, or was registered under a package
/// ("mine>L2").
[[nodiscard]] inline bool is_foreign(const nlohmann::json& object) {
  const std::string module = text_or_empty(object, "module");
  return (!module.empty() && module != "keras" && !module.starts_with("keras.")) ||
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

/// The same for a T that is one of the alternatives of T::Kind but for the first, as
/// `describe(config, alternative)` says.
template <class T, std::size_t I = 1, class Describe>
[[nodiscard]] std::optional<T> alternative_from_config(const std::string& class_name,
                                                       ConfigReader& reader,
                                                       const Describe& describe) {
  if constexpr (I == std::variant_size_v<typename T::Kind>) {
    return std::nullopt;
  } else {
    std::variant_alternative_t<I, typename T::Kind> alternative;
    if (class_name != T(alternative).class_name()) {
      return alternative_from_config<T, I + 1>(class_name, reader, describe);
    }
    describe(reader, alternative);
    return T(std::move(alternative));
  }
}

}  // namespace lamina::layers
