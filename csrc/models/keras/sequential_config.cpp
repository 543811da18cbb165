#include "models/keras/json_text.h"
#include "models/keras/keras_config.h"

namespace lamina::models {
namespace {

using nlohmann::json;

Shape shape_from(const json& value, const std::string& where) {
  Shape shape;
  for (const json& dim : value) {
    if (!dim.is_null() && !dim.is_number_integer()) {
      throw FormatError(where + ": 'build_input_shape' is no shape.");
    }
    shape.push_back(dim.is_null() ? kNone : dim.get<std::int64_t>());
  }
  return shape;
}

}  // namespace

ModelPtr sequential_from_config(const json& config, const std::string& where) {
  const std::string name = optional_string(config, "name", where);
  const std::string here = name.empty() ? where : "model '" + name + "'";
  std::vector<LayerRef> layers;
  for (const json& object : array_member(config, "layers", here)) {
    LayerPtr layer = layer_from_object(object, here);
    if (!layer) throw FormatError(here + ": an operation cannot stand in a Sequential model.");
    layers.emplace_back(std::move(layer));
  }
  auto model = Sequential::create(std::move(layers), {.name = name});
  const auto shape = config.find("build_input_shape");
  if (!model->built() && shape != config.end() && shape->is_array() && !shape->empty()) {
    model->build({shape_from(*shape, here)});
  }
  return model;
}

}  // namespace lamina::models
