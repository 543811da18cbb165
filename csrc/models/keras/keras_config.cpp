#include "models/keras/keras_config.h"

#include "layers/config/registry.h"
#include "models/keras/json_text.h"
#include "models/keras/operation.h"
#include "storage/storage.h"

namespace lamina {
namespace models {
namespace {

using nlohmann::json;

// What a message calls the object: its own name where it has one.
std::string describe(const json& object, const std::string& where) {
  const auto config = object.find("config");
  if (config != object.end() && config->is_object()) {
    const auto name = config->find("name");
    if (name != config->end() && name->is_string())
      return "layer '" + name->get<std::string>() + "'";
  }
  return where;
}

// Custom classes have another module, or a package before their registered name.
bool is_keras_class(const json& object, const std::string& where) {
  const std::string module = optional_string(object, "module", where);
  const std::string registered = optional_string(object, "registered_name", where);
  return (module == "keras" || module.starts_with("keras.")) &&
         registered.find('>') == std::string::npos;
}

bool is_operation_class(const json& object, const std::string& where) {
  return optional_string(object, "module", where).starts_with("keras.src.ops.");
}

ModelPtr model_of_class(const std::string& class_name, const json& object,
                        const std::string& where) {
  const bool functional = class_name == "Functional" || class_name == "Model";
  if (!functional && class_name != "Sequential") return nullptr;
  const json& config = member(object, "config", where);
  if (functional && !config.contains("layers")) {
    throw UnsupportedError(describe(object, where) + ": a subclassed model ('" + class_name +
                           "') has no graph in its configuration.");
  }
  return functional ? functional_from_config(config, where) : sequential_from_config(config, where);
}

}  // namespace

LayerPtr layer_from_object(const json& object, const std::string& where) {
  const std::string class_name = string_member(object, "class_name", where);
  if (!object.contains("module")) {
    throw UnsupportedError(describe(object, where) + ": configurations of Keras 2 (class '" +
                           class_name + "' without its module) are not supported.");
  }
  if (!is_keras_class(object, where)) {
    throw UnsupportedError(describe(object, where) + ": the class '" + class_name +
                           "' is not one of Keras's own, and custom classes are not supported.");
  }
  if (is_operation_class(object, where)) return nullptr;
  if (ModelPtr model = model_of_class(class_name, object, where)) return model;
  const json& config = member(object, "config", where);
  if (LayerPtr layer = layers::layer_from_config(class_name, config)) return layer;
  throw UnsupportedError(describe(object, where) + ": the class '" + class_name +
                         "' is not supported.");
}

ModelPtr model_from_object(const json& object, const std::string& where) {
  const LayerPtr layer = layer_from_object(object, where);
  auto model = std::dynamic_pointer_cast<Model>(layer);
  if (!model) {
    throw FormatError(where + ": the configuration of a model is expected, and not that of '" +
                      string_member(object, "class_name", where) + "'.");
  }
  return model;
}

}  // namespace models

ModelPtr Model::from_json_text(std::string_view json, const std::string& source) {
  const nlohmann::json object = models::parse_untrusted(json, source);
  if (!object.is_object() || !object.contains("class_name") || !object.contains("config")) {
    throw FormatError(
        source + ": no configuration of a Keras model ('class_name' and 'config' are missing).");
  }
  try {
    return models::model_from_object(object, source);
  } catch (const nlohmann::json::exception& error) {
    throw FormatError(source + ": no configuration of a Keras model: " + error.what());
  }
}

ModelPtr Model::from_json(const std::filesystem::path& path) {
  constexpr std::uint64_t kMaxBytes = 64u << 20;
  const auto file = storage::posix().open(path);
  if (file->size() > kMaxBytes) {
    throw FormatError(path.string() + ": " + std::to_string(file->size()) +
                      " bytes are too many for a configuration.");
  }
  std::string text(file->size(), '\0');
  file->read_at(0, std::as_writable_bytes(std::span(text)));
  return from_json_text(text, path.string());
}

}  // namespace lamina
