#pragma once
#include <lamina/losses.h>
#include <lamina/metrics.h>
#include <lamina/optimizers.h>
#include <lamina/schedules.h>

#include <string_view>

namespace lamina::training {

/// What a Spec says (see spec.h): "Adam:learning_rate=0.001". Throw ValueError for names and
/// options that there are not, listing those there are.
[[nodiscard]] OptimizerPtr make_optimizer(std::string_view text);
[[nodiscard]] LossPtr make_loss(std::string_view text);
[[nodiscard]] SchedulePtr make_schedule(std::string_view text);
/// Of losses the mean over rows. Not "accuracy", which is what fits the data (see metrics::get).
[[nodiscard]] MetricPtr make_metric(std::string_view text);

}  // namespace lamina::training
