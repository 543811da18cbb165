#include <fmt/format.h>
#include <lamina/error.h>
#include <lamina/losses.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "core/denormals.h"
#include "core/parallel_ranges.h"
#include "kernels/losses.h"
#include "training/losses/labels.h"
#include "training/losses/loss_rows.h"

namespace lamina {
namespace {

/// Labels and predictions as float32 rows.
struct Rows : training::LossRows {
  Rows(const Loss& loss, const Tensor& labels_of_rows, const Tensor& predictions)
      : LossRows(loss, labels_of_rows, predictions.shape()),
        predicted(predictions.reshape(y_pred).cast(DType::kFloat32)) {}

  Tensor predicted;

  template <class T>
  static std::span<T> of(std::span<T> all, std::size_t row, std::int64_t width) {
    const auto size = static_cast<std::size_t>(width);
    return all.subspan(row * size, size);
  }
  [[nodiscard]] std::span<const float> truth(std::size_t row) const {
    return of(y_true.data<float>(), row, labels);
  }
  [[nodiscard]] std::span<const float> prediction(std::size_t row) const {
    return of(predicted.data<float>(), row, classes);
  }
  /// Calls f(row) for each, in parallel.
  template <class F>
  void for_each(const F& f) const {
    const core::FlushDenormals flush;
    core::parallel_ranges(shape.size(), classes * 8, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) f(static_cast<std::size_t>(i));
    });
  }
};

Rows rows_of(const Loss& loss, const Tensor& y_true, const Tensor& y_pred) {
  if (y_true.defined() && !y_pred.defined()) {
    throw ValueError(fmt::format("Loss '{}': `y_pred` is undefined.", loss.name()));
  }
  return {loss, y_true, y_pred};
}

}  // namespace

float Loss::operator()(const Tensor& y_true, const Tensor& y_pred, const Tensor& sample_weight,
                       const Tensor& mask) const {
  return compute(y_true, y_pred, sample_weight, mask, {}).value;
}

LossResult Loss::value_and_gradient(const Tensor& y_true, const Tensor& y_pred,
                                    const Tensor& sample_weight, double scale,
                                    const Tensor& mask) const {
  return compute(y_true, y_pred, sample_weight, mask, scale);
}

RowLosses Loss::row_losses(const Tensor& y_true, const Tensor& y_pred) const {
  const Rows rows = rows_of(*this, y_true, y_pred);
  RowLosses out{Tensor::zeros(rows.shape), Tensor::zeros(rows.shape)};
  const std::span<float> values = out.values.data<float>(), counts = out.counts.data<float>();
  rows.for_each([&](std::size_t i) {
    if (rows.counts[i] == 0) return;
    values[i] = row(rows.truth(i), rows.prediction(i), {});
    counts[i] = 1;
  });
  return out;
}

LossResult Loss::compute(const Tensor& y_true, const Tensor& y_pred, const Tensor& sample_weight,
                         const Tensor& mask, std::optional<double> gradient_scale) const {
  const bool with_gradient = gradient_scale.has_value();
  Rows rows = rows_of(*this, y_true, y_pred);
  if (mask.defined()) rows.leave_out(*this, mask);
  std::vector<float> weights;
  if (sample_weight.defined()) weights = training::row_weights(sample_weight, rows.shape);
  const float divisor = rows.divisor(reduction_, weights);
  const kernels::LossWeighting weighting{divisor, static_cast<float>(gradient_scale.value_or(1))};

  Tensor gradient = with_gradient ? Tensor::empty(rows.y_pred) : Tensor();
  std::vector<float> losses(rows.counts.size(), 0.0F);
  rows.for_each([&](std::size_t i) {
    std::span<float> slope;
    if (with_gradient) slope = Rows::of(gradient.data<float>(), i, rows.classes);
    if (rows.counts[i] == 0 || divisor == 0) {
      std::fill(slope.begin(), slope.end(), 0.0F);
      return;
    }
    const float weight = weights.empty() ? 1.0F : weights[i];
    losses[i] = row(rows.truth(i), rows.prediction(i), slope) * weight;
    for (float& x : slope) x = weighting(x, weight);
  });
  LossResult result;
  const double sum = std::accumulate(losses.begin(), losses.end(), 0.0);
  result.value = divisor == 0 ? 0.0F : static_cast<float>(sum / divisor);
  if (with_gradient) result.gradient = gradient.reshape(y_pred.shape()).cast(y_pred.dtype());
  return result;
}

}  // namespace lamina
