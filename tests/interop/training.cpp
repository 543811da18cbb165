#include "training.h"

#include <lamina/callbacks.h>
#include <lamina/losses.h>
#include <lamina/metrics.h>
#include <lamina/optimizers.h>
#include <lamina/training.h>

#include <array>
#include <nlohmann/json.hpp>
#include <optional>

#include "callbacks.h"
#include "captured_stderr.h"
#include "numbers.h"
#include "tensor_file.h"
#include "training/by_name.h"
#include "training/fit/data.h"
#include "training/makers.h"
#include "training/object_config.h"

namespace lamina::interop {

using nlohmann::json;

namespace {

Tensor optional_tensor(const json& request, const char* key) {
  return request.contains(key) ? read_tensor(request[key]) : Tensor();
}

OptimizerPtr optimizer_of(const json& request) {
  OptimizerPtr optimizer = training::make_optimizer(request.at("optimizer").get<std::string>());
  if (request.contains("exclude_from_weight_decay")) {
    optimizer->exclude_from_weight_decay(
        request["exclude_from_weight_decay"].get<std::vector<std::string>>());
  }
  if (!request.contains("loss_scale")) return optimizer;
  const json& scale = request["loss_scale"];
  return optimizers::LossScaleOptimizer(
      {.inner_optimizer = optimizer,
       .initial_scale = scale.at("initial_scale").get<double>(),
       .dynamic_growth_steps = scale.at("dynamic_growth_steps").get<std::int64_t>()});
}

/// A tensor, or a list of them.
std::vector<Tensor> tensors_of(const json& described) {
  if (described.is_object()) return {read_tensor(described)};
  std::vector<Tensor> tensors;
  for (const json& one : described) tensors.push_back(read_tensor(one));
  return tensors;
}

/// Of the words for a loss, or of a list or a dictionary of them.
LossArgument loss_of(const json& words) {
  if (words.is_string()) return training::make_loss(words.get<std::string>());
  LossArgument each{};
  for (const auto& [output, one] : words.items()) {
    if (words.is_object()) each.outputs.push_back(output);
    each.losses.push_back(training::make_loss(one.get<std::string>()));
  }
  return each;
}

/// Of a list of numbers, or of a dictionary.
LossWeights weights_of(const json& numbers) {
  LossWeights each;
  for (const auto& [output, one] : numbers.items()) {
    if (numbers.is_object()) each.outputs.push_back(output);
    each.weights.push_back(one.get<double>());
  }
  return each;
}

/// Of a name, or of a list of them.
MetricArgument metric_of(const json& names) {
  if (names.is_string()) return names.get<std::string>();
  MetricArgument list{};
  for (const json& name : names) list.all.push_back({name.get<std::string>(), nullptr});
  return list;
}

/// Of a list of these, or of a dictionary.
std::vector<MetricArgument> metrics_of(const json& entries) {
  std::vector<MetricArgument> metrics;
  for (const auto& [output, entry] : entries.items()) {
    metrics.push_back(metric_of(entry));
    if (entries.is_object()) metrics.back().output = output;
  }
  return metrics;
}

}  // namespace

json run_loss(const json& request) {
  const LossPtr loss = training::make_loss(request.at("loss").get<std::string>());
  const LossResult result =
      loss->value_and_gradient(read_tensor(request.at("y_true")), read_tensor(request.at("y_pred")),
                               optional_tensor(request, "sample_weight"));
  return {{"value", number(result.value)},
          {"gradient", write_tensor(result.gradient, request.at("output").get<std::string>())}};
}

json run_metric(const json& request) {
  MetricPtr metric;
  for (const json& batch : request.at("batches")) {
    const Tensor y_true = read_tensor(batch.at("y_true")), y_pred = read_tensor(batch.at("y_pred"));
    if (!metric) {
      const auto words = request.at("metric").get<std::string>();
      metric = words.find(':') == std::string::npos
                   ? metrics::get(words, y_true.shape(), y_pred.shape())
                   : training::make_metric(words);
    }
    metric->update_state(y_true, y_pred, optional_tensor(batch, "sample_weight"));
  }
  return {{"result", number(metric->result())}, {"name", metric->name()}};
}

json run_schedule(const json& request) {
  const SchedulePtr schedule = training::make_schedule(request.at("schedule").get<std::string>());
  json values = json::array();
  for (const json& step : request.at("steps")) {
    values.push_back(number((*schedule)(step.get<std::int64_t>())));
  }
  return {{"values", std::move(values)}};
}

json run_optimizer(const json& request) {
  const OptimizerPtr optimizer =
      training::make_optimizer(request.at("optimizer").get<std::string>());
  std::vector<VariablePtr> variables;
  for (const json& described : request.at("variables")) {
    const auto path = described.at("path").get<std::string>();
    variables.push_back(std::make_shared<Variable>(path.substr(path.rfind('/') + 1),
                                                   read_tensor(described.at("value"))));
    variables.back()->set_path(path);
  }
  optimizer->build(variables);
  for (const json& step : request.at("steps")) {
    std::vector<Tensor> gradients;
    for (const json& gradient : step) gradients.push_back(read_tensor(gradient));
    optimizer->apply(gradients);
  }
  const auto output = request.at("output").get<std::string>();
  json values = json::array(), state = json::array();
  for (const VariablePtr& variable : variables) {
    values.push_back(write_tensor(variable->value(), output + "v" + std::to_string(values.size())));
  }
  for (const VariablePtr& variable : optimizer->variables()) {
    state.push_back(
        {{"name", variable->name()},
         {"value", write_tensor(variable->value(), output + "s" + std::to_string(state.size()))}});
  }
  return {{"variables", std::move(values)}, {"state", std::move(state)}};
}

json rewrite_object(const json& request) {
  const auto kind = request.at("kind").get<std::string>();
  const json& object = request.at("object");
  json rewritten;
  if (kind == "optimizer") {
    rewritten = training::optimizer_object(*training::optimizer_from(object));
  } else if (kind == "schedule") {
    rewritten = training::schedule_object(*training::schedule_from(object));
  } else if (kind == "loss") {
    rewritten = training::loss_object(*training::loss_from(object));
  } else if (kind == "metric") {
    rewritten = training::metric_object(*training::metric_from(object));
  } else {
    throw ValueError("unknown kind: " + kind);
  }
  return {{"object", std::move(rewritten)}};
}

json list_classes() {
  const auto names = [](const auto& makers) {
    json list = json::array();
    for (const auto& maker : makers) list.push_back(maker.name);
    return list;
  };
  return {{"optimizer", names(training::optimizer_makers())},
          {"schedule", names(training::schedule_makers())},
          {"loss", names(training::loss_makers())},
          {"metric", names(training::metric_makers())}};
}

json compile_model(Model& model, const json& request) {
  model.compile({.optimizer = optimizer_of(request),
                 .loss = loss_of(request.at("loss")),
                 .metrics = metrics_of(request.at("metrics")),
                 .loss_weights = weights_of(request.value("loss_weights", json::array()))});
  return json::object();
}

json train_on_batches(Model& model, const json& request) {
  const training::Data data({read_tensor(request.at("x")), read_tensor(request.at("y"))},
                            "the data");
  const auto size = request.at("batch_size").get<std::int64_t>();
  json logs = json::array(), scales = json::array();
  for (std::int64_t row = 0; row < data.rows(); row += size) {
    const training::Batch batch = data.slice(row, size);
    json step;
    for (const auto& [name, value] : model.train_on_batch(batch.x, batch.y))
      step[name] = number(value);
    logs.push_back(std::move(step));
    scales.push_back(model.optimizer()->loss_scale());
  }
  return {{"logs", std::move(logs)}, {"loss_scales", std::move(scales)}};
}

json train_on_batch(Model& model, const json& request) {
  json logs;
  for (const auto& [name, value] :
       model.train_on_batch(tensors_of(request.at("x")), tensors_of(request.at("y")))) {
    logs[name] = number(value);
  }
  return {{"logs", std::move(logs)}};
}

json evaluate_model(Model& model, const json& request) {
  json logs;
  for (const auto& [name, value] :
       model.evaluate(tensors_of(request.at("x")), tensors_of(request.at("y")),
                      {.batch_size = request.at("batch_size").get<std::int64_t>(),
                      .verbose = Verbose::kSilent})) {
    logs[name] = number(value);
  }
  return {{"logs", std::move(logs)}};
}

json test_on_batch(Model& model, const json& request) {
  json logs;
  for (const auto& [name, value] :
       model.test_on_batch(read_tensor(request.at("x")), read_tensor(request.at("y")))) {
    logs[name] = number(value);
  }
  return {{"logs", std::move(logs)}};
}

json fit(Model& model, const json& request) {
  const json& given = request.at("options");
  const auto option = [&](const char* name) {
    return given.contains(name) ? std::optional(given[name].get<std::int64_t>()) : std::nullopt;
  };
  const std::array verbose = {Verbose::kSilent, Verbose::kBar, Verbose::kLine};
  FitOptions options{.batch_size = option("batch_size"),
                     .epochs = option("epochs").value_or(1),
                     .verbose = verbose.at(given.value("verbose", std::size_t{0})),
                     .validation_freq = option("validation_freq").value_or(1),
                     .validation_batch_size = option("validation_batch_size"),
                     .validation_steps = option("validation_steps"),
                     .shuffle = false,
                     .initial_epoch = option("initial_epoch").value_or(0),
                     .steps_per_epoch = option("steps_per_epoch")};
  if (request.contains("validation_x")) {
    options.validation_data =
        DataSet(read_tensor(request["validation_x"]), read_tensor(request["validation_y"]));
  }
  if (request.contains("log_dir")) {
    callbacks::TensorBoardOptions board{.log_dir = request["log_dir"].get<std::string>()};
    if (request.contains("update_freq")) board.update_freq = request["update_freq"];
    options.callbacks.push_back(callbacks::TensorBoard(board));
  }
  const std::vector<CallbackPtr> more = callbacks_of(request.value("callbacks", json::array()));
  options.callbacks.insert(options.callbacks.end(), more.begin(), more.end());
  std::optional<CapturedStderr> shown;
  if (request.contains("output")) shown.emplace(request["output"].get<std::string>());
  json history;
  const History run =
      model.fit(read_tensor(request.at("x")), read_tensor(request.at("y")), options);
  for (const auto& [name, values] : run.history) {
    for (const double value : values) history[name].push_back(number(value));
  }
  return {{"history", std::move(history)}};
}

}  // namespace lamina::interop
