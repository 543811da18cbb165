#include "layers/config/held_model.h"

#include "layers/config/object_config.h"
#include "models/keras/keras_config.h"

namespace lamina::layers {

LayerPtr held_model_from_object(const nlohmann::json& object, const std::string& where) {
  const std::string class_name = text_or_empty(object, "class_name");
  for (const char* name : {"Functional", "Model", "Sequential"}) {
    if (class_name == name) return models::model_from_object(object, where);
  }
  return nullptr;
}

nlohmann::json held_model_to_object(const Layer& layer) {
  const auto* model = dynamic_cast<const Model*>(&layer);
  return model != nullptr ? models::model_to_object(*model) : nlohmann::json();
}

}  // namespace lamina::layers
