#include "training/losses/metric_parts.h"

#include <fmt/format.h>
#include <lamina/error.h>

#include <algorithm>

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

std::size_t output_dim(const char* metric, const Shape& y_true, const Shape& y_pred) {
  std::int64_t outputs = y_pred[-1];
  if (outputs == kNone) outputs = y_true.rank() == 1 ? 1 : y_true[-1];
  if (outputs != kNone) return static_cast<std::size_t>(outputs);
  throw ValueError(
      fmt::format("{} expects 2D inputs with shape (batch_size, output_dim), with output_dim fully "
                  "defined (not None). Received input shapes: y_pred.shape={} and y_true.shape={}.",
                  metric, y_pred.str(), y_true.str()));
}

void require_state(const Metric& metric, const std::vector<double>& state, std::size_t length) {
  if (state.size() == length) return;
  throw ValueError(fmt::format("Metric '{}': its state has {} numbers, not {}.", metric.name(),
                               length, state.size()));
}

void ClassSums::resize(std::size_t classes) {
  for (auto& sums : each) sums.assign(classes, 0.0);
}

void ClassSums::reset() {
  resize(classes());
}

void ClassSums::append_to(std::vector<double>& state) const {
  for (const auto& sums : each) state.insert(state.end(), sums.begin(), sums.end());
}

void ClassSums::set(std::span<const double> numbers) {
  const std::size_t count = classes();
  for (std::size_t i = 0; i < each.size(); ++i) {
    std::copy_n(numbers.subspan(i * count).begin(), count, each[i].begin());
  }
}

}  // namespace lamina::metrics
