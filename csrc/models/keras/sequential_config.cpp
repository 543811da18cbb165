#include <set>

#include "layers/config/object_config.h"
#include "models/keras/json_text.h"
#include "models/keras/keras_config.h"
#include "models/keras/model_parts.h"

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

json sequential_to_config(const Sequential& model, WrittenLayers& written) {
  json layers = json::array();
  std::set<std::string> names;
  if (const LayerPtr input = parts_of(model).input_layer) {
    layers.push_back(layer_to_object(*input, written));
  }
  for (const LayerPtr& layer : model.layers()) {
    if (!names.insert(layer->name()).second) {
      throw UnsupportedError("Sequential model '" + model.name() + "' holds its layer '" +
                             layer->name() +
                             "' several times, which Keras's configuration of one cannot say.");
    }
    layers.push_back(layer_to_object(*layer, written));
  }
  json config = {{"name", model.name()},
                 {"trainable", model.trainable()},
                 {"dtype", layers::object_to_config("keras", "DTypePolicy",
                                                    {{"name", model.dtype_policy().name}})}};
  config["layers"] = std::move(layers);
  if (model.built()) {
    config["build_input_shape"] = layers::shape_to_config(model.inputs().front().shape());
  }
  return config;
}

}  // namespace lamina::models
