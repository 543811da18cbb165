#include "training/object_config.h"

#include <fmt/format.h>
#include <lamina/error.h>

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>
#include <span>
#include <string_view>
#include <typeinfo>

#include "core/printable.h"
#include "core/type_name.h"
#include "layers/config/object_config.h"
#include "models/keras/json_text.h"
#include "training/config_fields.h"
#include "training/described/description.h"
#include "training/losses/metric_options.h"
#include "training/makers.h"

namespace lamina::training {
namespace {

using layers::object_to_config;
using models::member;
using models::optional_string;
using models::string_member;
using nlohmann::json;

/// A kind of object.
template <class Result>
struct Kind {
  const char* what;    ///< in messages
  const char* module;  ///< Keras's
  std::span<const Maker<Result>> makers;
};

Kind<OptimizerPtr> optimizer_kind() {
  return {"optimizer", "keras.optimizers", optimizer_makers()};
}
Kind<SchedulePtr> schedule_kind() {
  return {"learning rate schedule", "keras.optimizers.schedules", schedule_makers()};
}
Kind<LossPtr> loss_kind() {
  return {"loss", "keras.losses", loss_makers()};
}
Kind<MetricPtr> metric_kind() {
  return {"metric", "keras.metrics", metric_makers()};
}

/// Null where the class is none of the table's.
template <class Result>
const Maker<Result>* find_class(std::span<const Maker<Result>> makers, std::string_view name) {
  const auto it = std::find_if(makers.begin(), makers.end(),
                               [&](const Maker<Result>& maker) { return maker.name == name; });
  return it == makers.end() ? nullptr : &*it;
}

/// Null where nothing of the table has the name.
template <class Result>
const Maker<Result>* find_named(std::span<const Maker<Result>> makers, std::string_view name) {
  const auto it = std::find_if(makers.begin(), makers.end(),
                               [&](const Maker<Result>& maker) { return is_named(maker, name); });
  return it == makers.end() ? nullptr : &*it;
}

template <class Result, class T>
const Description& described_as(const Kind<Result>& kind, const T& object) {
  if (const Description* description = Descriptions::of(object)) return *description;
  throw UnsupportedError(fmt::format("the {} of the class '{}', which is not Keras's", kind.what,
                                     core::type_name(typeid(object))));
}

template <class Result>
json config_of(const Kind<Result>& kind, const Description& description) {
  const Maker<Result>* maker = find_class(kind.makers, description.class_name);
  if (maker == nullptr) {
    throw UnsupportedError(fmt::format("the {} of the class '{}', which has no configuration",
                                       kind.what, description.class_name));
  }
  ConfigWriter writer{std::string(description.class_name)};
  maker->tell(writer, description.options);
  return std::move(writer.config);
}

template <class Result>
json written(const Kind<Result>& kind, const Description& description, json config) {
  return object_to_config(kind.module, std::string(description.class_name), std::move(config));
}

/// A class of Keras's and its configuration.
struct Given {
  std::string class_name;
  const json& config;
};

template <class Result>
Given class_in(const Kind<Result>& kind, const json& object) {
  const std::string where = std::string("the ") + kind.what;
  const std::string class_name = string_member(object, "class_name", where);
  const std::string module = optional_string(object, "module", where);
  if (module != kind.module || layers::is_foreign(object)) {
    throw UnsupportedError(
        fmt::format("the {} is of the class '{}' of the module '{}', which is not one of Keras's",
                    kind.what, core::printable(class_name), core::printable(module)));
  }
  return {class_name, member(object, "config", where)};
}

template <class Result>
[[noreturn]] void refuse(const Kind<Result>& kind, const std::string& class_name) {
  throw UnsupportedError(
      fmt::format("the {} '{}' is not supported", kind.what, core::printable(class_name)));
}

template <class Result>
Result made_of(const Kind<Result>& kind, const Given& given) {
  const Maker<Result>* maker = find_class(kind.makers, given.class_name);
  if (maker == nullptr) refuse(kind, given.class_name);
  ConfigReader reader(given.config, kind.what, given.class_name);
  return maker->make(reader);
}

/// Keras's metrics that are means of losses of the same name. Of the other losses it has none: they
/// are wrapped functions.
struct MeanClass {
  std::string_view name;
  bool has_axis = false;  ///< in its configuration
};
constexpr MeanClass kMeans[] = {
    {"MeanSquaredError"},
    {"MeanAbsoluteError"},
    {"MeanAbsolutePercentageError"},
    {"MeanSquaredLogarithmicError"},
    {"BinaryCrossentropy"},
    {"CategoricalCrossentropy", true},
    {"SparseCategoricalCrossentropy", true},
    {"KLDivergence"},
    {"Poisson"},
    {"Hinge"},
    {"SquaredHinge"},
    {"CategoricalHinge"},
};
constexpr const char* kWrapper = "MeanMetricWrapper";

const MeanClass* mean_class(std::string_view name) {
  const auto it = std::find_if(std::begin(kMeans), std::end(kMeans),
                               [&](const MeanClass& each) { return each.name == name; });
  return it == std::end(kMeans) ? nullptr : it;
}

/// Whether the name is one of a loss under which Keras has no metric.
bool names_loss_only(std::string_view name) {
  const Maker<LossPtr>* loss = find_named(loss_makers(), name);
  if (loss == nullptr || find_named(metric_makers(), name) != nullptr) return false;
  return mean_class(loss->name) == nullptr || equal_ignoring_case(name, "kld");
}

json function_object(std::string_view name) {
  return {{"module", "builtins"},
          {"class_name", "function"},
          {"config", name},
          {"registered_name", "function"}};
}

/// The mean of a loss: Keras's class of that name, or its function, wrapped.
json mean_object(const Metric& metric, const Loss& loss) {
  const Description& description = described_as(loss_kind(), loss);
  json config = config_of(loss_kind(), description);
  config.erase("reduction");
  config["name"] = metric.name();
  config["dtype"] = "float32";
  if (const MeanClass* mean = mean_class(description.class_name)) {
    config.erase("axis");
    if (mean->has_axis) config["axis"] = -1;
    return object_to_config(metric_kind().module, std::string(mean->name), std::move(config));
  }
  config["fn"] = function_object(find_class(loss_makers(), description.class_name)->aliases[0]);
  return object_to_config(metric_kind().module, kWrapper, std::move(config));
}

MetricPtr mean_from(const Given& given) {
  LossPtr loss = made_of(loss_kind(), given);
  const std::string name = loss->name();
  return metrics::MeanOf(std::move(loss), name);
}

MetricPtr wrapped_mean_from(const Given& given) {
  const std::optional<std::string> function =
      name_in(member(given.config, "fn", std::string("the metric ") + kWrapper));
  const Maker<LossPtr>* maker = function ? find_named(loss_makers(), *function) : nullptr;
  if (maker != nullptr) {
    json config = given.config;
    config.erase("fn");
    return mean_from({std::string(maker->name), config});
  }
  throw UnsupportedError(fmt::format("the metric {} of '{}' is not supported", kWrapper,
                                     core::printable(function.value_or("an object"))));
}

}  // namespace

json optimizer_object(const Optimizer& optimizer) {
  const auto kind = optimizer_kind();
  const Description& description = described_as(kind, optimizer);
  json config = config_of(kind, description);
  config["name"] = optimizer.name();
  const auto rate = config.find("learning_rate");
  if (rate != config.end() && rate->is_number()) {
    *rate = finite_number(optimizer.learning_rate(), "the learning rate");
  }
  return written(kind, description, std::move(config));
}

json inner_optimizer_object(const Optimizer& optimizer) {
  json object = optimizer_object(optimizer);
  object["config"]["loss_scale_factor"] = nullptr;
  return object;
}

json schedule_object(const LearningRateSchedule& schedule) {
  const auto kind = schedule_kind();
  const Description& description = described_as(kind, schedule);
  return written(kind, description, config_of(kind, description));
}

json loss_object(const Loss& loss) {
  const auto kind = loss_kind();
  const Description& description = described_as(kind, loss);
  if (!description.given_name.empty()) return description.given_name;
  json config = config_of(kind, description);
  config["name"] = loss.name();
  return written(kind, description, std::move(config));
}

json metric_object(const Metric& metric) {
  const auto kind = metric_kind();
  const Description& description = described_as(kind, metric);
  if (const auto* mean = std::any_cast<metrics::MeanOfOptions>(&description.options)) {
    return mean_object(metric, *mean->loss);
  }
  json config = config_of(kind, description);
  config["name"] = metric.name();
  return written(kind, description, std::move(config));
}

json named_metric_object(const std::string& name) {
  if (!names_loss_only(name)) return name;
  return metric_object(*metrics::MeanOf(losses::get(name), name));
}

OptimizerPtr optimizer_from(const json& object) {
  return made_of(optimizer_kind(), class_in(optimizer_kind(), object));
}

SchedulePtr schedule_from(const json& object) {
  return made_of(schedule_kind(), class_in(schedule_kind(), object));
}

std::optional<std::string> name_in(const json& object) {
  if (object.is_string()) return object.get<std::string>();
  const bool is_function = object.is_object() && object.value("class_name", json()) == "function" &&
                           object.value("module", json()) == "builtins" &&
                           object.value("registered_name", json()) == "function";
  const auto name = is_function ? object.find("config") : object.end();
  if (!is_function || name == object.end() || !name->is_string()) return std::nullopt;
  return name->get<std::string>();
}

LossPtr loss_from(const json& object) {
  if (const auto name = name_in(object)) return losses::get(*name);
  return made_of(loss_kind(), class_in(loss_kind(), object));
}

MetricPtr metric_from(const json& object) {
  const Given given = class_in(metric_kind(), object);
  if (given.class_name == kWrapper) return wrapped_mean_from(given);
  if (mean_class(given.class_name) != nullptr) return mean_from(given);
  return made_of(metric_kind(), given);
}

}  // namespace lamina::training
