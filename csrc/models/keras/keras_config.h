#pragma once
#include <lamina/model.h>

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <unordered_set>

namespace lamina::models {

/// A model from Keras's serialised object: {"module", "class_name", "config", ...}, compiled as it
/// says (compile_from_config), with an optimizer that is not built. `where` names it in messages.
/// Throws FormatError and UnsupportedError.
[[nodiscard]] ModelPtr model_from_object(const nlohmann::json& object, const std::string& where);

/// What `Model::from_json_text` makes of a parsed configuration, before it is compiled; models
/// within it are. Throws FormatError, for what nests more than can be made too, and
/// UnsupportedError.
[[nodiscard]] ModelPtr model_from_configuration(const nlohmann::json& object,
                                                const std::string& source);
/// The same, compiled by a `compile_config`, null for none, as Keras does when it makes a model of
/// its configuration. Where it cannot be, the model is left uncompiled, with a warning.
[[nodiscard]] ModelPtr compiled_model(const nlohmann::json& object,
                                      const nlohmann::json& compile_config,
                                      const std::string& source);
/// What such a configuration says of how the model was compiled; null where it says nothing.
[[nodiscard]] nlohmann::json compile_config_in(const nlohmann::json& object);
/// The same configuration, of models that are not compiled.
[[nodiscard]] nlohmann::json without_compile_configs(nlohmann::json object);
/// The model of a file of such a configuration as `Model::from_json` reads it, not compiled.
[[nodiscard]] ModelPtr uncompiled_from_json(const std::filesystem::path& path);
/// The model of a `.keras` archive with fresh weights, and, where it is compiled, an optimizer that
/// begins: of the weights beside the configuration nothing is read.
[[nodiscard]] ModelPtr fresh_from_archive(const std::filesystem::path& path, bool compile);

/// The same for anything that may stand in a model's `layers`; null for an operation of keras.ops,
/// which is made call by call.
[[nodiscard]] LayerPtr layer_from_object(const nlohmann::json& object, const std::string& where);

[[nodiscard]] ModelPtr functional_from_config(const nlohmann::json& config,
                                              const std::string& where);
[[nodiscard]] ModelPtr sequential_from_config(const nlohmann::json& config,
                                              const std::string& where);

/// Keras's serialised object of a model: {"module", "class_name", "config", "registered_name",
/// "build_config", "compile_config"}. Throws UnsupportedError naming what Keras could not make
/// again; of what was compiled there is a warning instead.
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
