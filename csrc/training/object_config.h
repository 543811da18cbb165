#pragma once
#include <lamina/losses.h>
#include <lamina/metrics.h>
#include <lamina/optimizers.h>
#include <lamina/schedules.h>

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

// Keras's serialised objects: {"module", "class_name", "config", "registered_name"}.
namespace lamina::training {

// As Keras's `serialize_keras_object` has them. Throw UnsupportedError, naming the class, for one
// that is not Keras's, and for numbers that JSON lacks.

/// With the learning rate that it has now.
[[nodiscard]] nlohmann::json optimizer_object(const Optimizer& optimizer);
/// Of one whose loss is scaled by another, whatever its own `loss_scale_factor`.
[[nodiscard]] nlohmann::json inner_optimizer_object(const Optimizer& optimizer);
[[nodiscard]] nlohmann::json schedule_object(const LearningRateSchedule& schedule);
/// Or the name, of a loss that was asked for by its name.
[[nodiscard]] nlohmann::json loss_object(const Loss& loss);
[[nodiscard]] nlohmann::json metric_object(const Metric& metric);
/// Of one that was asked for by its name: the name, or the mean of the loss of that name where
/// Keras has no such metric.
[[nodiscard]] nlohmann::json named_metric_object(const std::string& name);

// The other way round. Throw UnsupportedError for classes and options that Lamina lacks, ValueError
// and FormatError for what is none of this.

[[nodiscard]] OptimizerPtr optimizer_from(const nlohmann::json& object);
[[nodiscard]] SchedulePtr schedule_from(const nlohmann::json& object);
/// Of an object, or of the name of a class or a function.
[[nodiscard]] LossPtr loss_from(const nlohmann::json& object);
[[nodiscard]] MetricPtr metric_from(const nlohmann::json& object);
/// The name, where something is given by it or as a function of Keras's.
[[nodiscard]] std::optional<std::string> name_in(const nlohmann::json& object);

}  // namespace lamina::training
