#include <fmt/format.h>
#include <lamina/model.h>

#include <nlohmann/json.hpp>

#include "models/keras/keras_config.h"

namespace lamina {

ModelPtr models::clone_model(const Model& model) {
  const std::string where = fmt::format("the clone of model '{}'", model.name());
  const nlohmann::json object = model_to_object(model);
  return compiled_model(object, compile_config_in(object), where);
}

}  // namespace lamina
