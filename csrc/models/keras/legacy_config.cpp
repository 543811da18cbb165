#include "models/keras/legacy_config.h"

#include <lamina/error.h>

#include <algorithm>
#include <array>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>
#include <utility>

#include "layers/config/object_config.h"
#include "models/keras/json_text.h"

namespace lamina::models {
namespace {

using layers::text_or_empty;
using nlohmann::json;

bool is_functional(const std::string& class_name) {
  return class_name == "Functional" || class_name == "Model";
}

const char* module_of(const std::string& class_name) {
  if (is_functional(class_name)) return "keras.src.models.functional";
  return class_name == "Sequential" ? "keras" : "keras.layers";
}

// What tf_keras does not call "keras.layers", as the class of nested models.
bool is_of_tf_keras(const json& object) {
  return text_or_empty(object, "module").starts_with("tf_keras.");
}

bool is_recurrent(const std::string& class_name) {
  static constexpr std::array<std::string_view, 8> kClasses = {
      "RNN", "LSTM", "GRU", "SimpleRNN", "Bidirectional", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"};
  return std::ranges::find(kClasses, class_name) != kClasses.end();
}

bool begins_with_input(const json& config) {
  const auto layers = config.find("layers");
  return layers != config.end() && layers->is_array() && !layers->empty() &&
         layers->front().is_object() &&
         text_or_empty(layers->front(), "class_name") == "InputLayer";
}

// Keras 2 counts the calls of a model that knows its inputs from 1: 0 is how it was made. Keras 3
// does so where a model's outputs are listed, of Functional models alone.
class Calls {
 public:
  // Of layers that are converted.
  explicit Calls(const json& layers) {
    for (const json& layer : layers) {
      const std::string class_name = text_or_empty(layer, "class_name");
      names_.insert(text_or_empty(layer, "name"));
      const bool sequential = class_name == "Sequential" && begins_with_input(layer.at("config"));
      if (!sequential && !is_functional(class_name)) continue;
      made_.emplace(text_or_empty(layer, "name"), sequential);
    }
  }
  void renumber(json& origin) const { renumber(origin, false); }
  // `value`: an origin, or lists and objects of such.
  void renumber_outputs(json& value) const {
    if (is_origin(value)) return renumber(value, true);
    if (!value.is_structured()) return;
    for (json& item : value) renumber_outputs(item);
  }
  // Of a layer of the model: what layers are called with may begin with a text, too.
  [[nodiscard]] bool is_tensor(const json& value) const {
    return is_origin(value) && value.size() == 3 && names_.contains(value[0].get<std::string>());
  }
  static bool is_origin(const json& value) {
    return value.is_array() && value.size() >= 3 && value[0].is_string() &&
           value[1].is_number_unsigned() && value[2].is_number_unsigned();
  }

 private:
  void renumber(json& origin, bool sequential_alone) const {
    const auto it = made_.find(origin[0].get<std::string>());
    const auto call = origin[1].get<std::uint64_t>();
    if (it == made_.end() || call == 0 || (sequential_alone && !it->second)) return;
    origin[1] = call - 1;
  }

  std::map<std::string, bool> made_;  // whether it is Sequential
  std::set<std::string> names_;       // of all layers
};

class Converter {
 public:
  explicit Converter(const std::string& where) : where_(where) {}

  [[nodiscard]] json object(json value) const {
    if (!value.is_object()) return value;
    const std::string class_name = string_member(value, "class_name", where_);
    const bool of_tf_keras = is_of_tf_keras(value);
    if (!of_tf_keras && layers::is_foreign(value)) return value;
    if (!value.contains("module")) {
      value["registered_name"] =
          class_name.find('>') == std::string::npos ? json() : json(class_name);
    }
    if (!value.contains("module") || of_tf_keras || is_functional(class_name)) {
      value["module"] = module_of(class_name);
    }
    json config = std::exchange(value["config"], nullptr);
    if (class_name == "Sequential" && config.is_array()) config = {{"layers", std::move(config)}};
    if (!config.is_object()) {
      throw FormatError(where_ + ": the 'config' of a '" + class_name + "' is no object.");
    }
    value["config"] = converted(std::move(config), class_name);
    return value;
  }

 private:
  [[nodiscard]] json converted(json config, const std::string& class_name) const {
    if (class_name == "InputLayer" && config.contains("batch_input_shape")) {
      config["batch_shape"] = config["batch_input_shape"];
    }
    config.erase("batch_input_shape");
    if (const auto axis = config.find("axis");
        axis != config.end() && axis->is_array() && axis->size() == 1) {
      *axis = json(axis->front());
    }
    if (const auto dtype = config.find("dtype");
        dtype != config.end() && text_or_empty(*dtype, "class_name") == "Policy") {
      *dtype = json(dtype->value("config", json::object()).value("name", json()));
    }
    drop_neutral(config, class_name);
    for (const char* held : {"layer", "backward_layer", "cell"}) {
      if (config.contains(held)) config[held] = object(std::move(config[held]));
    }
    for (const char* activation : {"activation", "recurrent_activation"}) {
      const auto it = config.find(activation);
      if (it != config.end() && it->is_object() && it->contains("config") &&
          it->at("config").is_object()) {
        *it = object(std::move(*it));
      }
    }
    for (const char* list : {"layers", "cells"}) {
      if (!config.contains(list) || !config[list].is_array()) continue;
      if (class_name == "Sequential") add_input(config[list]);
      for (json& layer : config[list]) layer = object(std::move(layer));
    }
    if (is_functional(class_name) && config.contains("layers")) convert_calls(config);
    return config;
  }

  // What Keras 2 writes of layers whose twins in Keras 3 have no such option, where it says
  // nothing.
  static void drop_neutral(json& config, const std::string& class_name) {
    const auto drop = [&config](const char* key, const json& neutral) {
      if (config.contains(key) && config[key] == neutral) config.erase(key);
    };
    const auto is_a = [&class_name](const char* part) {
      return class_name.find(part) != std::string::npos;
    };
    if (is_a("Depthwise") || is_a("Separable")) {
      for (const char* of_kernel :
           {"kernel_initializer", "kernel_regularizer", "kernel_constraint"}) {
        config.erase(of_kernel);  // it has two others, or one by another name
      }
    }
    if (is_a("Depthwise") || is_a("Separable") || is_a("Transpose")) drop("groups", 1);
    if (is_a("SpatialDropout")) drop("noise_shape", nullptr);
    // Those without weights, whose Keras 3's constructors know no `trainable`.
    if (is_a("SpatialDropout") || class_name == "Discretization") config.erase("trainable");
    if (class_name == "CategoryEncoding") drop("sparse", false);
    if (class_name.starts_with("Random")) config.erase("rng_type");
    if (class_name == "MultiHeadAttention") {
      for (const char* shape : {"query_shape", "key_shape", "value_shape"}) config.erase(shape);
      drop("softmax_robust_masking", false);
      if (const auto shape = config.find("output_shape");
          shape != config.end() && shape->is_number()) {
        *shape = json::array({*shape});
      }
    }
    if (class_name == "Embedding") config.erase("input_length");
    config.erase("implementation");
    drop("time_major", false);
    if (class_name == "LeakyReLU" && config.contains("alpha")) {
      config["negative_slope"] = config["alpha"];
      config.erase("alpha");
    }
  }

  // Keras 2's first layer may say itself what it takes.
  static void add_input(json& layers) {
    if (layers.empty() || !layers.front().is_object()) return;
    const json& first = layers.front();
    const auto config = first.find("config");
    if (config == first.end() || !config->is_object() || !config->contains("batch_input_shape") ||
        text_or_empty(first, "class_name") == "InputLayer") {
      return;
    }
    json input = {{"class_name", "InputLayer"},
                  {"config",
                   {{"batch_input_shape", config->at("batch_input_shape")},
                    {"dtype", input_dtype(first)},
                    {"name", text_or_empty(*config, "name") + "_input"}}}};
    layers.insert(layers.begin(), std::move(input));
  }
  // Indices are Keras's floats too, as Embedding takes them.
  static json input_dtype(const json& layer) {
    const json dtype = layer.at("config").value("dtype", json());
    return dtype.is_string() ? dtype : json("float32");
  }

  void convert_calls(json& config) const {
    json& layers = config["layers"];
    const Calls calls(layers);
    bool by_lists = false;
    for (json& layer : layers) {
      if (!layer.is_object() || !layer.contains("inbound_nodes")) continue;
      const bool recurrent = is_recurrent(text_or_empty(layer, "class_name"));
      for (json& node : layer["inbound_nodes"]) {
        if (node.is_object() && node.contains("args")) continue;
        by_lists = true;
        node = call(std::move(node), calls, recurrent);
      }
    }
    if (by_lists && config.contains("output_layers")) {
      calls.renumber_outputs(config["output_layers"]);
    }
  }

  // [[layer, call, output, keywords], ...] as {"args", "kwargs"}; the last one's keywords count.
  // A model that was made with a dict is called with one of such lists, an operation with a list
  // itself.
  [[nodiscard]] json call(json node, const Calls& calls, bool recurrent) const {
    if (Calls::is_origin(node)) node = json::array({std::move(node)});
    if (!node.is_structured()) refuse_call();
    json tensors = node.is_object() ? json::object() : json::array(), keywords = json::object();
    for (auto& item : node.items()) {
      json& origin = item.value();
      if (!Calls::is_origin(origin) || origin.size() > 4) refuse_call();
      keywords = origin.size() == 4 ? json(origin[3]) : json::object();
      json made = tensor(origin, calls);
      if (node.is_object()) {
        tensors[item.key()] = std::move(made);
      } else {
        tensors.push_back(std::move(made));
      }
    }
    if (keywords.is_object()) {
      for (json& value : keywords) name_tensors(value, calls);
      // Keras 2 has states that are tensors beside the sequences.
      if (recurrent && tensors.is_array() && tensors.size() > 1 &&
          keywords.value("initial_state", json()).is_null()) {
        json states = json::array();
        for (std::size_t i = 1; i < tensors.size(); ++i) states.push_back(tensors[i]);
        keywords["initial_state"] = std::move(states);
        tensors.erase(tensors.begin() + 1, tensors.end());
      }
    }
    json args = json::array();
    if (!tensors.empty()) {
      args.push_back(tensors.is_array() && tensors.size() == 1 ? json(tensors.front()) : tensors);
    }
    return {{"args", std::move(args)}, {"kwargs", std::move(keywords)}};
  }

  static json tensor(json& origin, const Calls& calls) {
    calls.renumber(origin);
    return {{"class_name", "__keras_tensor__"},
            {"config", {{"keras_history", {origin[0], origin[1], origin[2]}}}}};
  }
  // An argument by its name: `value` is a tensor's origin, or lists and objects of such.
  static void name_tensors(json& value, const Calls& calls) {
    if (calls.is_tensor(value)) {
      value = tensor(value, calls);
    } else if (value.is_structured()) {
      for (json& item : value) name_tensors(item, calls);
    }
  }

  [[noreturn]] void refuse_call() const {
    throw FormatError(where_ + ": a call's input is not [layer, call, output, keywords].");
  }

  const std::string& where_;
};

/// Gives all serialised objects in `value` the module that they are of.
void add_module(json& value, const char* module) {
  if (!value.is_structured()) return;
  if (value.is_object() && value.contains("class_name")) {
    if (!value.contains("module")) value["module"] = module;
    return;
  }
  for (json& item : value) add_module(item, module);
}

/// Of metrics Keras 2 has the function that they are the mean of, as a name, and some options that
/// Keras 3's have no more.
void modernize_metrics(json& metrics) {
  if (!metrics.is_structured()) return;
  const std::string class_name = text_or_empty(metrics, "class_name");
  if (class_name.empty()) {
    for (json& item : metrics) modernize_metrics(item);
    return;
  }
  if (class_name != "MeanMetricWrapper") {
    const auto options = metrics.find("config");
    if (options == metrics.end() || !options->is_object()) return;
    if (class_name.ends_with("IoU")) options->erase("dtype");  // today they count in integers
    if (class_name == "CosineSimilarity" && options->value("axis", json()) == -1) {
      options->erase("axis");
    }
    return;
  }
  const json config = metrics.value("config", json::object());
  const std::string function = text_or_empty(config, "fn"), name = text_or_empty(config, "name");
  if (function.empty()) return;
  metrics = name == "accuracy" || name == "acc" ? name : function;
}

/// Of losses Keras 2 has the function that they wrap, which their class tells, and a way to reduce
/// by itself what is Keras 3's default.
void modernize_losses(json& losses) {
  if (!losses.is_structured()) return;
  if (!losses.contains("class_name")) {
    for (json& item : losses) modernize_losses(item);
    return;
  }
  const auto config = losses.find("config");
  if (config == losses.end() || !config->is_object()) return;
  config->erase("fn");
  if (text_or_empty(*config, "reduction") == "auto") (*config)["reduction"] = "sum_over_batch_size";
}

/// Drops what Keras 3's have no more.
void modernize_optimizer(json& optimizer) {
  if (!optimizer.is_object() || !optimizer.contains("config")) return;
  const std::string class_name = text_or_empty(optimizer, "class_name");
  constexpr std::string_view kOfKeras2 = "Custom>";  // what it registered its own optimizers under
  if (class_name.starts_with(kOfKeras2)) {
    optimizer["class_name"] = class_name.substr(kOfKeras2.size());
  }
  json& config = optimizer["config"];
  if (!config.is_object()) return;
  for (const char* of_keras_2 : {"jit_compile", "is_legacy_optimizer", "decay"}) {
    config.erase(of_keras_2);
  }
  if (config.contains("learning_rate")) {
    add_module(config["learning_rate"], "keras.optimizers.schedules");
  }
}

}  // namespace

json from_legacy_config(json object, const std::string& where) {
  try {
    return Converter(where).object(std::move(object));
  } catch (const json::exception& error) {
    throw FormatError(where + ": no configuration of a Keras model: " + error.what());
  }
}

bool asks_for_hard_sigmoid(const json& config) {
  if (!config.is_structured()) return false;
  for (const char* key : {"activation", "recurrent_activation"}) {
    if (text_or_empty(config, key) == "hard_sigmoid") return true;
  }
  return std::any_of(config.begin(), config.end(), asks_for_hard_sigmoid);
}

json from_legacy_training_config(json config) {
  if (!config.is_object()) return config;
  if (config.contains("optimizer_config")) {
    config["optimizer"] = std::exchange(config["optimizer_config"], nullptr);
    config.erase("optimizer_config");
  }
  config.erase("sample_weight_mode");
  const auto convert = [&config](const char* key, const char* module, void (*change)(json&)) {
    const auto it = config.find(key);
    if (it == config.end()) return;
    change(*it);
    add_module(*it, module);
  };
  convert("optimizer", "keras.optimizers", modernize_optimizer);
  convert("loss", "keras.losses", modernize_losses);
  convert("metrics", "keras.metrics", modernize_metrics);
  convert("weighted_metrics", "keras.metrics", modernize_metrics);
  return config;
}

}  // namespace lamina::models
