#include "training/losses/metric_parts.h"

#include <fmt/format.h>
#include <lamina/error.h>

#include "training/losses/labels.h"

namespace lamina::metrics {

void misfit(const Metric& metric, const Tensor& y_true, const Tensor& y_pred) {
  throw ValueError(
      fmt::format("Metric '{}': `y_true` of shape {} does not fit `y_pred` of "
                  "shape {}.",
                  metric.name(), y_true.shape().str(), y_pred.shape().str()));
}

std::pair<Tensor, Tensor> alike(const Metric& metric, const Tensor& y_true, const Tensor& y_pred) {
  const auto [truth, prediction] = training::same_rank(y_true, y_pred);
  if (truth.shape() != prediction.shape()) misfit(metric, y_true, y_pred);
  return {truth.cast(DType::kFloat32), prediction.cast(DType::kFloat32)};
}

void require_state(const Metric& metric, const std::vector<double>& state, std::size_t length) {
  if (state.size() == length) return;
  throw ValueError(fmt::format("Metric '{}': its state has {} numbers, not {}.", metric.name(),
                               length, state.size()));
}

}  // namespace lamina::metrics
