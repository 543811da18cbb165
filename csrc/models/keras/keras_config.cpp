#include "models/keras/keras_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <typeinfo>
#include <vector>

#include "layers/access.h"
#include "layers/config/object_config.h"
#include "layers/config/registry.h"
#include "layers/naming.h"
#include "layers/operations/operations.h"
#include "layers/recurrent/cell.h"
#include "models/keras/compile_config.h"
#include "models/keras/json_text.h"
#include "models/keras/nested_functional.h"
#include "storage/storage.h"
#include "storage/text_file.h"

namespace lamina {
namespace models {
namespace {

using nlohmann::json;

constexpr std::size_t kMostCalls = 1'000'000;

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

bool is_operation_class(const json& object, const std::string& where) {
  return layers::is_module_of_operations(optional_string(object, "module", where));
}

// How many calls of layers a model makes when those that it nests are written out, each as often as
// it is called: a short text can nest what no machine walks through.
double calls_written_out(const json& object) {
  const auto config = object.is_object() ? object.find("config") : object.end();
  if (!object.is_object() || config == object.end() || !config->is_object()) return 1;
  double calls = 1;
  for (const char* held : {"layer", "backward_layer", "cell"}) {
    if (config->contains(held)) calls += calls_written_out(config->at(held));
  }
  for (const char* list : {"layers", "cells"}) {
    if (!config->contains(list)) continue;
    for (const json& layer : config->at(list)) {
      const auto nodes = layer.is_object() ? layer.find("inbound_nodes") : layer.end();
      const std::size_t times = layer.is_object() && nodes != layer.end() ? nodes->size() : 0;
      calls += static_cast<double>(std::max<std::size_t>(1, times)) * calls_written_out(layer);
    }
  }
  return calls;
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

// A Functional or a Sequential, and no class of one's own that is derived from it.
template <class Class>
const Class* exactly(const Layer& layer) {
  const bool is_one = typeid(layer) == typeid(Class) || (std::is_same_v<Class, Functional> &&
                                                         typeid(layer) == typeid(NestedFunctional));
  return is_one ? static_cast<const Class*>(&layer) : nullptr;
}

// As Keras writes it: {} for a model that was not compiled.
json compiled_object(const Model& model) {
  json config = compile_config_of(model);
  return config.is_null() ? json::object() : config;
}

json functional_to_object(const Functional& model, WrittenLayers& written) {
  json object = layers::object_to_config("keras.src.models.functional", "Functional",
                                         functional_to_config(model, written));
  object["registered_name"] = "Functional";
  object["build_config"] = {{"input_shape", nullptr}};
  object["compile_config"] = compiled_object(model);
  return object;
}

json sequential_to_object(const Sequential& model, WrittenLayers& written) {
  json config = sequential_to_config(model, written);
  json object = layers::object_to_config("keras", "Sequential", config);
  if (config.contains("build_input_shape")) {
    object["build_config"] = {{"input_shape", config["build_input_shape"]}};
  }
  object["compile_config"] = compiled_object(model);
  return object;
}

// JSON has no such numbers.
bool has_infinite(const json& value) {
  if (value.is_structured()) return std::any_of(value.begin(), value.end(), has_infinite);
  return value.is_number_float() && !std::isfinite(value.get<double>());
}

json operation_to_object(const layers::Operation& operation) {
  if (has_infinite(operation.form().config) || has_infinite(operation.form().args)) {
    throw UnsupportedError(layers::in_words(operation) +
                           " cannot be written to a configuration: a number is not finite.");
  }
  json config = operation.form().config;
  config["name"] = operation.name();
  json object = layers::object_to_config(layers::module_of(operation), operation.class_name(),
                                         std::move(config));
  object["registered_name"] = operation.class_name();
  return object;
}

// What the layer was built with; null when it needs no building, or has yet to be built.
json build_config(const Layer& layer) {
  const std::vector<Shape>& shapes = layers::Access::build_shapes(layer);
  if (shapes.empty()) return nullptr;
  const CallSignature signature = layer.call_signature();
  const std::vector<std::string>& names = signature.inputs;
  const bool by_input = dynamic_cast<const layers::Cells*>(&layer) != nullptr;  // Keras's cells
  if (names.size() > 1 && shapes.size() > 1 && !by_input) {
    json by_name;
    const bool several = signature.ends_in_list && shapes.size() > names.size();
    for (std::size_t i = 0; i < shapes.size(); ++i) {
      const std::size_t at = std::min(i, names.size() - 1);
      json& place = by_name[names[at] + "_shape"];
      const bool listed = several && at + 1 == names.size();
      (listed ? place.emplace_back() : place) = layers::shape_to_config(shapes[i]);
    }
    return {{"shapes_dict", std::move(by_name)}};
  }
  if (names.size() > 1 || !layers::Access::takes_list(layer)) {
    return {{"input_shape", layers::shape_to_config(shapes.front())}};
  }
  json list = json::array();
  for (const Shape& shape : shapes) list.push_back(layers::shape_to_config(shape));
  return {{"input_shape", std::move(list)}};
}

// Takes a layer for written; refuses it where that would make two of one.
void note_written(const Layer& layer, WrittenLayers& written) {
  const auto has_state = [&layer] { return !layer.built() || !layer.variables().empty(); };
  if (written.insert(&layer).second || !has_state()) return;
  throw UnsupportedError(layers::in_words(layer) +
                         " is shared by several models of the configuration, of which Keras would "
                         "give each one of its own.");
}

// The same of all that stands in the layer's own configuration, where what is held `beside` it
// stands already: an LSTM holds its cell's activations as well.
void note_held(const Layer& layer, WrittenLayers& written,
               const std::vector<LayerPtr>& beside = {}) {
  const std::vector<LayerPtr> all = layer.sublayers();
  for (const LayerPtr& held : all) {
    if (std::find(beside.begin(), beside.end(), held) != beside.end()) continue;
    note_written(*held, written);
    note_held(*held, written, all);
  }
}

/// The message, with what was read where it does not say that.
std::string in_source(const Error& error, const std::string& source) {
  const std::string text = error.what();
  return text.find(source) != text.npos ? text : fmt::format("{} (In {}.)", text, source);
}

std::string read_configuration(const std::filesystem::path& path) {
  constexpr std::size_t kMaxBytes = 64u << 20;
  return storage::read_text(path, storage::posix(), kMaxBytes, "configuration");
}

}  // namespace

namespace {

// Of a model one that is not compiled, though those within it are.
LayerPtr uncompiled_from_object(const json& object, const std::string& where) {
  const std::string class_name = string_member(object, "class_name", where);
  if (optional_string(object, "module", where).empty()) {
    throw UnsupportedError(describe(object, where) + ": configurations of Keras 2 (class '" +
                           class_name + "' without its module) are not supported.");
  }
  if (layers::is_foreign(object)) {
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

ModelPtr as_model(const LayerPtr& layer, const json& object, const std::string& where) {
  if (auto model = std::dynamic_pointer_cast<Model>(layer)) return model;
  throw FormatError(where + ": the configuration of a model is expected, and not that of '" +
                    string_member(object, "class_name", where) + "'.");
}

}  // namespace

LayerPtr layer_from_object(const json& object, const std::string& where) {
  LayerPtr layer = uncompiled_from_object(object, where);
  auto* model = dynamic_cast<Model*>(layer.get());
  const json config = model != nullptr ? compile_config_in(object) : json();
  if (!config.empty()) {
    compile_from_config(*model, config, fmt::format("{}, model '{}'", where, model->name()));
  }
  return layer;
}

ModelPtr model_from_object(const json& object, const std::string& where) {
  return as_model(layer_from_object(object, where), object, where);
}

json layer_to_object(const Layer& layer, WrittenLayers& written) {
  note_written(layer, written);
  if (const auto* model = exactly<Functional>(layer)) return functional_to_object(*model, written);
  if (const auto* model = exactly<Sequential>(layer)) return sequential_to_object(*model, written);
  if (const auto* operation = dynamic_cast<const layers::Operation*>(&layer)) {
    return operation_to_object(*operation);
  }
  json config = layers::layer_to_config(layer);
  if (config.is_null()) {
    throw UnsupportedError(layers::in_words(layer) +
                           " cannot be written to a configuration: it is of a class of one's own, "
                           "and Keras has only those of Lamina's layers and models.");
  }
  note_held(layer, written);
  json object = layers::object_of_layer(layer, std::move(config));
  json built = build_config(layer);
  if (!built.is_null()) object["build_config"] = std::move(built);
  return object;
}

json model_to_object(const Model& model) {
  WrittenLayers written;
  return layer_to_object(model, written);
}

std::string text_of_object(const json& object, const Model& model) {
  try {
    return object.dump(-1, ' ', true);
  } catch (const json::exception& error) {
    throw ValueError("Model '" + model.name() + "' cannot be written to JSON: " + error.what());
  }
}

ModelPtr model_from_configuration(const json& object, const std::string& source) {
  if (!object.is_object() || !object.contains("class_name") || !object.contains("config")) {
    throw FormatError(
        source + ": no configuration of a Keras model ('class_name' and 'config' are missing).");
  }
  if (calls_written_out(object) > kMostCalls) {
    throw FormatError(fmt::format(
        "{}: the model makes more than {} calls of layers when the models that it nests are "
        "written out, too many for a configuration.",
        source, kMostCalls));
  }
  try {
    return as_model(uncompiled_from_object(object, source), object, source);
  } catch (const json::exception& error) {
    throw FormatError(source + ": no configuration of a Keras model: " + error.what());
  } catch (const UnsupportedError& error) {
    throw UnsupportedError(in_source(error, source));
  } catch (const ValueError& error) {
    throw ValueError(in_source(error, source));
  } catch (const FormatError& error) {
    throw FormatError(in_source(error, source));
  }
}

ModelPtr compiled_model(const json& object, const json& compile_config, const std::string& source) {
  ModelPtr model = model_from_configuration(object, source);
  compile_from_config(*model, compile_config, source);
  try {
    build_optimizers(*model);
  } catch (const ValueError& error) {
    model = model_from_configuration(without_compile_configs(object), source);
    warn_not_compiled(source, error.what());
  }
  return model;
}

json compile_config_in(const json& object) {
  return object.is_object() ? object.value("compile_config", json()) : json();
}

json without_compile_configs(json object) {
  if (object.is_object()) object.erase("compile_config");
  for (json& part : object) {
    if (part.is_structured()) part = without_compile_configs(std::move(part));
  }
  return object;
}

ModelPtr uncompiled_from_json(const std::filesystem::path& path) {
  json object = parse_untrusted(read_configuration(path), path.string());
  return model_from_configuration(without_compile_configs(std::move(object)), path.string());
}

}  // namespace models

ModelPtr Model::from_json_text(std::string_view json, const std::string& source) {
  const nlohmann::json object = models::parse_untrusted(json, source);
  return models::compiled_model(object, models::compile_config_in(object), source);
}

std::string Model::to_json() const {
  return models::text_of_object(models::model_to_object(*this), *this);
}

ModelPtr Model::from_json(const std::filesystem::path& path) {
  return from_json_text(models::read_configuration(path), path.string());
}

}  // namespace lamina
