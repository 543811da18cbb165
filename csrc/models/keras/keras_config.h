#pragma once
#include <lamina/model.h>

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <unordered_set>

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

/// Keras's serialised object of a model, without what was compiled: {"module", "class_name",
/// "config", "registered_name", "build_config"}. Throws UnsupportedError naming what Keras could
/// not make again.
[[nodiscard]] nlohmann::json model_to_object(const Model& model);
/// The text of such an object of the model's, in ASCII as Keras's. Throws ValueError, naming the
/// model, for names that are no UTF-8.
[[nodiscard]] std::string text_of_object(const nlohmann::json& object, const Model& model);

/// The layers that are in an object so far: Keras makes one for each place in which one stands.
using WrittenLayers = std::unordered_set<const Layer*>;
/// The same for anything that may stand in a model's `layers`.
[[nodiscard]] nlohmann::json layer_to_object(const Layer& layer, WrittenLayers& written);
[[nodiscard]] nlohmann::json functional_to_config(const Functional& model, WrittenLayers& written);
[[nodiscard]] nlohmann::json sequential_to_config(const Sequential& model, WrittenLayers& written);

}  // namespace lamina::models
