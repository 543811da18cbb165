#include <fmt/format.h>
#include <lamina/model.h>

#include <nlohmann/json.hpp>

#include "models/keras/compile_config.h"
#include "models/keras/keras_config.h"

namespace lamina {

ModelPtr models::clone_model(const Model& model) {
  const std::string where = fmt::format("the clone of model '{}'", model.name());
  return compiled_model(model_to_object(model), compile_config_of(model), where);
}

}  // namespace lamina
