#pragma once
#include <lamina/metrics.h>

#include <span>
#include <utility>

#include "training/losses/keras_defaults.h"

// What the metrics are written with.
namespace lamina::metrics {

using training::kEpsilon;
using training::named;
using Row = std::span<const float>;

/// Throws ValueError naming both shapes.
[[noreturn]] void misfit(const Metric& metric, const Tensor& y_true, const Tensor& y_pred);

/// Labels and predictions of one shape, as float32. Throws ValueError where they have not.
[[nodiscard]] std::pair<Tensor, Tensor> alike(const Metric& metric, const Tensor& y_true,
                                              const Tensor& y_pred);

/// Throws ValueError for a state of another length.
void require_state(const Metric& metric, const std::vector<double>& state, std::size_t length);

/// Keras's divide_no_nan.
[[nodiscard]] inline double ratio(double a, double b) {
  return b == 0 ? 0 : a / b;
}

}  // namespace lamina::metrics
