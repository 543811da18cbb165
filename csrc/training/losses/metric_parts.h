#pragma once
#include <lamina/metrics.h>

#include <array>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "training/described/description.h"
#include "training/losses/keras_defaults.h"

// What the metrics are written with.
namespace lamina::metrics {

using training::described;
using training::kEpsilon;
using training::named;
using Row = std::span<const float>;

/// Throws ValueError naming both shapes.
[[noreturn]] void misfit(const Metric& metric, const Tensor& y_true, const Tensor& y_pred);

/// Labels and predictions of one shape, as float32. Throws ValueError where they have not.
[[nodiscard]] std::pair<Tensor, Tensor> alike(const Metric& metric, const Tensor& y_true,
                                              const Tensor& y_pred);

/// The last axis of labels (samples, outputs), or (samples) where there is one output, and of
/// predictions (samples, outputs): one of them may not know it. Throws ValueError where both do
/// not.
[[nodiscard]] std::size_t output_dim(const char* metric, const Shape& y_true, const Shape& y_pred);

/// Throws ValueError for a state of another length.
void require_state(const Metric& metric, const std::vector<double>& state, std::size_t length);

/// Four sums for each of some classes, which are none at first.
struct ClassSums {
  std::array<std::vector<double>, 4> each;

  [[nodiscard]] std::size_t classes() const noexcept { return each[0].size(); }
  /// How many numbers `append_to` appends.
  [[nodiscard]] std::size_t size() const noexcept { return each.size() * classes(); }
  void resize(std::size_t classes);
  void reset();
  void append_to(std::vector<double>& state) const;
  /// Takes back what was appended.
  void set(std::span<const double> numbers);
};

/// Keras's divide_no_nan.
[[nodiscard]] inline double ratio(double a, double b) {
  return b == 0 ? 0 : a / b;
}

}  // namespace lamina::metrics
