#include "session.h"

#include <lamina/lamina.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "callbacks.h"
#include "fit.h"
#include "models/keras/compile_config.h"
#include "tensor_file.h"
#include "training.h"
#include "training/graph/train_graph.h"
#include "trees.h"
#include "zoo.h"

namespace lamina::interop {
namespace {

using nlohmann::json;

// The class of an error of ours, most derived first.
std::string class_of(const std::exception& error) {
  if (dynamic_cast<const UnsupportedError*>(&error)) return "UnsupportedError";
  if (dynamic_cast<const MismatchError*>(&error)) return "MismatchError";
  if (dynamic_cast<const ValueError*>(&error)) return "ValueError";
  if (dynamic_cast<const FileNotFoundError*>(&error)) return "FileNotFoundError";
  if (dynamic_cast<const StorageError*>(&error)) return "StorageError";
  if (dynamic_cast<const CorruptionError*>(&error)) return "CorruptionError";
  if (dynamic_cast<const FormatError*>(&error)) return "FormatError";
  if (dynamic_cast<const BackendError*>(&error)) return "BackendError";
  return "std::exception";
}

std::vector<LayerPtr> layers_named(const Model& model, const json& names) {
  std::vector<LayerPtr> layers;
  for (const json& name : names) layers.push_back(model.get_layer(name.get<std::string>()));
  return layers;
}

ModelPtr application(const json& request) {
  applications::Options options;
  for (const auto& [key, value] : request.at("options").items()) {
    if (key == "classes") {
      options.classes = value.get<std::int64_t>();
    } else if (key == "include_top") {
      options.include_top = value.get<bool>();
    } else if (key == "include_preprocessing") {
      options.include_preprocessing = value.get<bool>();
    } else if (key == "alpha") {
      options.alpha = value.get<double>();
    } else if (key == "depth_multiplier") {
      options.depth_multiplier = value.get<std::int64_t>();
    } else if (key == "dropout") {
      options.dropout = value.get<double>();
    } else if (key == "dropout_rate") {
      options.dropout_rate = value.get<double>();
    } else if (key == "minimalistic") {
      options.minimalistic = value.get<bool>();
    } else if (key == "weights") {
      options.weights = value.get<std::string>();
    } else if (key == "pooling") {
      options.pooling = value.get<std::string>();
    } else if (key == "classifier_activation") {
      options.classifier_activation = value.get<std::string>();
    } else if (key == "input_shape") {
      options.input_shape = Shape(value.get<std::vector<std::int64_t>>());
    } else {
      throw ValueError("unknown option of an application: " + key);
    }
  }
  return applications::by_name(request.at("name").get<std::string>(), options);
}

json list_weights(const Model& model) {
  json weights = json::array();
  for (const VariablePtr& variable : model.variables()) {
    weights.push_back({{"path", variable->path()},
                       {"shape", variable->shape().dims()},
                       {"dtype", std::string(dtype_name(variable->dtype()))}});
  }
  return {{"weights", std::move(weights)}};
}

json write_values(const Model& model, const std::string& path) {
  std::ofstream file(path, std::ios::binary);
  for (const VariablePtr& variable : model.variables()) {
    const Tensor& value = variable->value();
    file.write(static_cast<const char*>(value.raw()), static_cast<std::streamsize>(value.nbytes()));
  }
  file.close();
  if (!file) throw ValueError(path + ": cannot be written");
  return json::object();
}

json predict(Model& model, const json& request) {
  const std::vector<Tensor> inputs = read_tensors(request.at("inputs"));
  PredictOptions options;
  options.batch_size = request.at("batch_size").get<std::int64_t>();
  json outputs = json::array();
  for (const Tensor& output : model.predict(inputs, options)) {
    const std::string path =
        request.at("outputs").get<std::string>() + std::to_string(outputs.size());
    outputs.push_back(write_tensor(output, path));
  }
  return {{"outputs", std::move(outputs)}};
}

json write_tensors(const std::vector<Tensor>& tensors, const std::string& prefix) {
  json written = json::array();
  for (const Tensor& tensor : tensors) {
    written.push_back(write_tensor(tensor, prefix + std::to_string(written.size())));
  }
  return written;
}

/// One step in training mode, forward and backward.
json differentiate(Model& model, const json& request) {
  const std::vector<Tensor> inputs = read_tensors(request.at("inputs"));
  std::vector<Shape> shapes;
  for (const Tensor& input : inputs) shapes.push_back(input.shape());
  training::TrainGraph graph(model, shapes);
  const auto prefix = request.at("outputs").get<std::string>();
  json reply;
  reply["outputs"] = write_tensors(graph.forward(inputs), prefix + "y");
  reply["gradients"] =
      write_tensors(graph.backward(read_tensors(request.at("output_gradients"))), prefix + "g");
  graph.update_state();
  json paths = json::array();
  for (const VariablePtr& variable : graph.variables()) paths.push_back(variable->path());
  reply["paths"] = std::move(paths);
  return reply;
}

/// Given tensors, as a loader's batches, with labels.
class GivenBatches : public DataLoader {
 public:
  explicit GivenBatches(std::vector<Tensor> batches) : batches_(std::move(batches)) {}
  [[nodiscard]] std::int64_t batches() const override {
    return static_cast<std::int64_t>(batches_.size());
  }
  [[nodiscard]] DataSet batch(std::int64_t /*epoch*/, std::int64_t index,
                              std::uint64_t /*seed*/) override {
    const Tensor& x = batches_.at(static_cast<std::size_t>(index));
    return {x, Tensor::zeros({x.shape()[0]})};
  }

 private:
  std::vector<Tensor> batches_;
};

/// Has a layer learn from "batches", "as" one "array", a "list" or a "loader" of them.
json adapt(const Model& model, const json& request) {
  const LayerPtr layer = model.get_layer(request.at("layer").get<std::string>());
  const std::vector<Tensor> batches = read_tensors(request.at("batches"));
  const auto as = request.at("as").get<std::string>();
  if (as == "array") {
    layers::adapt(layer, batches.at(0));
  } else if (as == "list") {
    layers::adapt(layer, batches);
  } else {
    layers::AdaptOptions options;
    if (request.contains("steps")) options.steps = request["steps"].get<std::int64_t>();
    layers::adapt(layer, std::make_shared<GivenBatches>(batches), options);
  }
  return json::object();
}

SaveOptions save_options(const Model& model, const json& request) {
  SaveOptions options;
  options.overwrite = request.value("overwrite", true);
  if (request.contains("max_shard_size"))
    options.max_shard_size = request["max_shard_size"].get<double>();
  options.keep_entries_together = request.value("keep_entries_together", false);
  options.objects_to_skip = layers_named(model, request.value("objects_to_skip", json::array()));
  options.seal = request.value("seal", true);
  return options;
}

LoadOptions load_options(const Model& model, const json& request) {
  LoadOptions options;
  options.skip_mismatch = request.value("skip_mismatch", false);
  options.by_name = request.value("by_name", false);
  options.objects_to_skip = layers_named(model, request.value("objects_to_skip", json::array()));
  return options;
}

}  // namespace

json Session::answer(const json& request) {
  json warnings = json::array();
  const WarningHandler before =
      set_warning_handler([&](std::string_view text) { warnings.push_back(text); });
  json reply;
  try {
    reply = run(request);
  } catch (const std::exception& error) {
    reply = {{"error", class_of(error)}, {"message", error.what()}};
  }
  set_warning_handler(before);
  reply["warnings"] = std::move(warnings);
  return reply;
}

json Session::run(const json& request) {
  if (request.at("op") == "clear_session") {
    clear_session();
    return json::object();
  }
  if (request["op"] == "reset") {
    models_.clear();
    clear_session();
    set_dtype_policy("float32");
    return json::object();
  }
  if (request["op"] == "set_dtype_policy") {
    set_dtype_policy(request.at("policy").get<std::string>());
    return json::object();
  }
  if (request["op"] == "copy_tree") {
    copy_tree(request);
    return json::object();
  }
  if (request["op"] == "loss") return run_loss(request);
  if (request["op"] == "metric") return run_metric(request);
  if (request["op"] == "schedule") return run_schedule(request);
  if (request["op"] == "optimizer") return run_optimizer(request);
  if (request["op"] == "object") return rewrite_object(request);
  if (request["op"] == "classes") return list_classes();
  if (request["op"] == "preprocess_input") {
    const Tensor images = applications::preprocess_input(read_tensor(request.at("images")),
                                                         request.at("mode").get<std::string>());
    return {{"images", write_tensor(images, request.at("output").get<std::string>())}};
  }
  if (request["op"] == "progress") return progress_texts(request);
  if (!request.contains("model")) return make(request);
  const int number = request["model"].get<int>();
  if (request["op"] == "drop") {
    models_.erase(number);
    return json::object();
  }
  if (request["op"] == "clone") return add(models::clone_model(*models_.at(number)));
  return use(*models_.at(number), request);
}

json Session::add(ModelPtr model) {
  models_.emplace(next_, std::move(model));
  return {{"model", next_++}};
}

json Session::make(const json& request) {
  const auto op = request.at("op").get<std::string>();
  ModelPtr model;
  if (op == "from_json") {
    model = Model::from_json(request.at("path").get<std::string>());
  } else if (op == "load_archive") {
    model = Model::load(request.at("path").get<std::string>());
  } else if (op == "application") {
    model = application(request);
  } else if (op == "hand_written") {
    model =
        zoo::make(request.at("name").get<std::string>(), request.at("dtype").get<std::string>());
  } else {
    throw ValueError("unknown request: " + op);
  }
  return add(std::move(model));
}

json Session::use(Model& model, const json& request) {
  const auto op = request.at("op").get<std::string>();
  if (op == "save") {
    model.save_weights(request.at("path").get<std::string>(), save_options(model, request));
    return json::object();
  }
  if (op == "load") {
    model.load_weights(request.at("path").get<std::string>(), load_options(model, request));
    return json::object();
  }
  if (op == "predict") return predict(model, request);
  if (op == "reset_state") {
    layers::reset_state(model);
    return json::object();
  }
  if (op == "adapt") return adapt(model, request);
  if (op == "differentiate") return differentiate(model, request);
  if (op == "compile") return compile_model(model, request);
  if (op == "compile_config") return {{"config", models::compile_config_of(model)}};
  if (op == "train_on_batch") return train_on_batch(model, request);
  if (op == "train") return train_on_batches(model, request);
  if (op == "evaluate") return evaluate_model(model, request);
  if (op == "test") return test_on_batch(model, request);
  if (op == "fit") return fit(model, request);
  if (op == "finalize") {
    model.optimizer()->finalize_variable_values();
    return json::object();
  }
  if (op == "weights") return list_weights(model);
  if (op == "values") return write_values(model, request.at("path").get<std::string>());
  if (op == "summary") return {{"summary", model.summary()}};
  if (op == "save_model") {
    model.save(request.at("path").get<std::string>());
    return json::object();
  }
  if (op == "to_json") return {{"json", model.to_json()}};
  throw ValueError("unknown request: " + op);
}

}  // namespace lamina::interop
