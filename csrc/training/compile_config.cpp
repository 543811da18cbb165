#include "models/keras/compile_config.h"

#include <fmt/format.h>
#include <lamina/log.h>
#include <lamina/training.h>

#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "core/printable.h"
#include "models/weights/access.h"
#include "models/weights/pending_saves.h"
#include "models/weights/training_parts.h"
#include "training/config_fields.h"
#include "training/fit/trainer.h"
#include "training/object_config.h"

namespace lamina::training {
namespace {

using nlohmann::json;

/// One loss stands by itself, or in a list where its weight does: Keras wants both alike.
json loss_config(const LossArgument& loss, const LossWeights& weights) {
  const bool listed = weights.outputs.empty() && weights.weights.size() == 1;
  if (loss.outputs.empty() && loss.losses.size() == 1 && !listed) {
    return loss_object(*loss.losses.front());
  }
  json each = loss.outputs.empty() ? json::array() : json::object();
  for (std::size_t i = 0; i < loss.losses.size(); ++i) {
    json one = loss_object(*loss.losses[i]);
    if (each.is_array()) {
      each.push_back(std::move(one));
    } else {
      each[loss.outputs[i]] = std::move(one);
    }
  }
  return each;
}

json weights_config(const LossWeights& weights) {
  if (weights.weights.empty()) return nullptr;
  for (const double weight : weights.weights)
    (void)finite_number(weight, "one of the `loss_weights`");
  if (weights.outputs.empty()) return weights.weights;
  json each = json::object();
  for (std::size_t i = 0; i < weights.weights.size(); ++i) {
    each[weights.outputs[i]] = weights.weights[i];
  }
  return each;
}

json entry_config(const MetricArgument& entry) {
  json list = json::array();
  for (const MetricArgument::One& one : entry.all) {
    list.push_back(one.metric ? metric_object(*one.metric) : named_metric_object(one.name));
  }
  return entry.is_list ? list : list.front();
}

json metrics_config(const std::vector<MetricArgument>& metrics) {
  if (metrics.empty()) return nullptr;
  json each = metrics.front().output ? json::object() : json::array();
  for (const MetricArgument& entry : metrics) {
    if (each.is_array()) {
      each.push_back(entry_config(entry));
    } else {
      each[entry.output.value_or("")] = entry_config(entry);
    }
  }
  return each;
}

/// `scaled`: the optimizer was wrapped in one that scales the loss, as it will be again.
json config_of(const CompileArguments& arguments, const Optimizer& optimizer, bool scaled) {
  return {{"optimizer", scaled ? inner_optimizer_object(optimizer) : optimizer_object(optimizer)},
          {"loss", loss_config(arguments.loss, arguments.loss_weights)},
          {"loss_weights", weights_config(arguments.loss_weights)},
          {"metrics", metrics_config(arguments.metrics)},
          {"weighted_metrics", metrics_config(arguments.weighted_metrics)},
          // Keras's defaults, with what "auto" is resolved to.
          {"run_eagerly", false},
          {"steps_per_execution", 1},
          {"jit_compile", true}};
}

/// One object or name, rather than several by the outputs' names.
bool is_one(const json& value) {
  return !value.is_array() &&
         !(value.is_object() && !(value.contains("class_name") && value.contains("config")));
}

LossArgument loss_argument(const json& config) {
  LossArgument loss;
  if (is_one(config)) {
    loss.losses.push_back(loss_from(config));
    return loss;
  }
  for (const auto& [output, one] : config.items()) {
    if (config.is_object()) loss.outputs.push_back(output);
    loss.losses.push_back(loss_from(one));
  }
  return loss;
}

double weight_from(const json& config) {
  if (config.is_number()) return config.get<double>();
  throw UnsupportedError("`loss_weights` should be numbers");
}

LossWeights weights_argument(const json& config) {
  LossWeights weights;
  if (config.is_null()) return weights;
  if (is_one(config)) {
    weights.weights.push_back(weight_from(config));
    return weights;
  }
  for (const auto& [output, one] : config.items()) {
    if (config.is_object()) weights.outputs.push_back(output);
    weights.weights.push_back(weight_from(one));
  }
  return weights;
}

MetricArgument::One one_metric(const json& config) {
  const auto name = name_in(config);
  if (!name) return {{}, metric_from(config)};
  (void)metrics::get(*name, {1, 2}, {1, 2});  // throws where there is none of that name
  return {*name, nullptr};
}

/// A metric, or a list of them.
MetricArgument entry_argument(const json& config) {
  MetricArgument entry{};
  if (config.is_null()) return entry;
  if (!config.is_array()) {
    entry.is_list = false;
    entry.all.push_back(one_metric(config));
    return entry;
  }
  for (const json& one : config) entry.all.push_back(one_metric(one));
  return entry;
}

std::size_t metrics_in(const json& config) {
  if (is_one(config)) return config.is_null() ? 0 : 1;
  std::size_t count = 0;
  for (const json& entry : config) count += entry.is_array() ? entry.size() : 1;
  return count;
}

/// Each has thresholds or classes of its own, of which a short text may ask for many.
void require_few_metrics(const json& metrics, const json& weighted) {
  constexpr std::size_t kMost = 1000;
  const std::size_t count = metrics_in(metrics) + metrics_in(weighted);
  if (count <= kMost) return;
  throw UnsupportedError(fmt::format("it has {} metrics; at most {} are compiled", count, kMost));
}

std::vector<MetricArgument> metrics_argument(const json& config) {
  std::vector<MetricArgument> metrics;
  if (config.is_null()) return metrics;
  if (is_one(config)) return {entry_argument(config)};
  for (const auto& [output, entry] : config.items()) {
    metrics.push_back(entry_argument(entry));
    if (config.is_object()) metrics.back().output = output;
  }
  return metrics;
}

void require_known(const json& config) {
  static const std::set<std::string> kKnown = {
      "optimizer",        "loss",        "loss_weights",        "metrics",
      "weighted_metrics", "run_eagerly", "steps_per_execution", "jit_compile"};
  for (const auto& [key, value] : config.items()) {
    if (kKnown.contains(key)) continue;
    throw UnsupportedError(
        fmt::format("`compile` has no argument '{}' here", core::printable(key)));
  }
}

CompileArguments arguments_of(const json& config) {
  if (!config.is_object()) throw FormatError("its `compile_config` is no object");
  require_known(config);
  const json metrics = config.value("metrics", json());
  const json weighted = config.value("weighted_metrics", json());
  require_few_metrics(metrics, weighted);
  return {.optimizer = optimizer_from(config.value("optimizer", json())),
          .loss = loss_argument(config.value("loss", json())),
          .metrics = metrics_argument(metrics),
          .weighted_metrics = metrics_argument(weighted),
          .loss_weights = weights_argument(config.value("loss_weights", json()))};
}

}  // namespace
}  // namespace lamina::training

namespace lamina {

nlohmann::json models::compile_config_of(const Model& model) {
  const auto& parts = Access::training_parts(model);
  if (!parts) return nullptr;
  try {
    return training::config_of(parts->trainer->arguments(), *parts->given,
                               parts->given != parts->optimizer);
  } catch (const ValueError& error) {
    warn(fmt::format(
        "How model '{}' was compiled is not in its configuration: {}. What is made of that has to "
        "be compiled again.",
        model.name(), error.what()));
    return nullptr;
  }
}

void models::warn_not_compiled(const std::string& where, const std::string& why) {
  warn(fmt::format(
      "`compile()` was not called as part of model loading: {}: {}. You can call `compile()` "
      "manually after loading.",
      where, why));
}

void models::compile_from_config(Model& model, const nlohmann::json& config,
                                 const std::string& where) {
  if (config.is_null() || (config.is_object() && config.empty())) return;
  try {
    model.compile(training::arguments_of(config));
  } catch (const Error& error) {
    warn_not_compiled(where, error.what());
  } catch (const nlohmann::json::exception& error) {
    warn_not_compiled(where, error.what());
  }
}

void models::build_optimizers(const Model& model) {
  const auto named = Access::saves(model).names.get(model);
  for (const Model* each : named->compiled) {
    if (each->built()) each->optimizer()->build(each->trainable_variables());
  }
}

bool models::has_compiled(const Model& model) {
  return !Access::saves(model).names.get(model)->compiled.empty();
}

}  // namespace lamina
