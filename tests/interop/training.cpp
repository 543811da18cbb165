#include "training.h"

#include <lamina/losses.h>
#include <lamina/metrics.h>
#include <lamina/optimizers.h>
#include <lamina/training.h>

#include <nlohmann/json.hpp>

#include "numbers.h"
#include "tensor_file.h"
#include "training/by_name.h"
#include "training/fit/data.h"
#include "training/makers.h"
#include "training/object_config.h"

namespace lamina::interop {

using nlohmann::json;

namespace {

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
                 .weighted_metrics = metrics_of(request.value("weighted_metrics", json::array())),
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

}  // namespace lamina::interop
