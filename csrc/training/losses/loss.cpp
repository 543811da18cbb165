#include <fmt/format.h>
#include <lamina/losses.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "core/parallel_ranges.h"
#include "training/losses/labels.h"

namespace lamina {
namespace {

/// By what the sum of the rows' losses is divided.
float divisor_of(Reduction reduction, const std::vector<std::uint8_t>& counts,
                 const std::vector<float>& weights) {
  double counted = 0, weighted = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    counted += counts[i];
    if (!weights.empty()) weighted += counts[i] * weights[i];
  }
  switch (reduction) {
    case Reduction::kSum:
      return 1;
    case Reduction::kMeanWithSampleWeight:
      return static_cast<float>(weights.empty() ? counted : weighted);
    case Reduction::kSumOverBatchSize:
      return static_cast<float>(counted);
  }
  return 1;
}

}  // namespace

/// Labels and predictions as float32 rows.
struct Loss::Rows {
  /// Throws ValueError where they do not fit, and for labels that no row may have.
  Rows(const Loss& loss, const Tensor& labels_of_rows, const Tensor& predictions);

  Tensor y_true, y_pred;
  Shape shape;  ///< of the rows
  std::int64_t classes = 0, labels = 0;
  std::vector<std::uint8_t> counts;  ///< 0 for a row that takes no part

  template <class T>
  static std::span<T> of(std::span<T> all, std::size_t row, std::int64_t width) {
    const auto size = static_cast<std::size_t>(width);
    return all.subspan(row * size, size);
  }
  [[nodiscard]] std::span<const float> truth(std::size_t row) const {
    return of(y_true.data<float>(), row, labels);
  }
  [[nodiscard]] std::span<const float> prediction(std::size_t row) const {
    return of(y_pred.data<float>(), row, classes);
  }
  /// Calls f(row) for each, in parallel.
  template <class F>
  void for_each(const F& f) const {
    core::parallel_ranges(shape.size(), classes * 8, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) f(static_cast<std::size_t>(i));
    });
  }

 private:
  void require_fit(const Loss& loss, const Tensor& labels_of_rows, const Tensor& predictions) const;
};

Loss::Rows::Rows(const Loss& loss, const Tensor& labels_of_rows, const Tensor& predictions) {
  if (!labels_of_rows.defined() || !predictions.defined()) {
    throw ValueError(fmt::format("Loss '{}': `{}` is undefined.", loss.name(),
                                 labels_of_rows.defined() ? "y_pred" : "y_true"));
  }
  std::tie(y_true, y_pred) = training::same_rank(labels_of_rows, predictions);
  if (y_pred.shape().rank() == 0) {
    throw ValueError(fmt::format("Loss '{}': `y_pred` is a scalar.", loss.name()));
  }
  classes = y_pred.shape()[-1];
  labels = loss.labels(classes);
  shape = training::without_last(y_pred.shape());
  y_true = y_true.cast(DType::kFloat32);
  y_pred = y_pred.cast(DType::kFloat32);
  require_fit(loss, labels_of_rows, predictions);
  loss.check_labels(y_true.data<float>(), classes);
  y_true = loss.prepared(y_true);
  counts.resize(static_cast<std::size_t>(shape.size()));
  for (std::size_t i = 0; i < counts.size(); ++i) counts[i] = !loss.ignored(truth(i));
}

void Loss::Rows::require_fit(const Loss& loss, const Tensor& labels_of_rows,
                             const Tensor& predictions) const {
  Shape expected = shape;
  if (labels != 1 || y_true.shape().rank() == y_pred.shape().rank()) expected.push_back(labels);
  if (y_true.shape() == expected) return;
  throw ValueError(fmt::format(
      "Loss '{}': `y_true` of shape {} does not fit `y_pred` of shape {}: expected {}.",
      loss.name(), labels_of_rows.shape().str(), predictions.shape().str(), expected.str()));
}

float Loss::operator()(const Tensor& y_true, const Tensor& y_pred,
                       const Tensor& sample_weight) const {
  return compute(y_true, y_pred, sample_weight, {}).value;
}

LossResult Loss::value_and_gradient(const Tensor& y_true, const Tensor& y_pred,
                                    const Tensor& sample_weight, double scale) const {
  return compute(y_true, y_pred, sample_weight, scale);
}

RowLosses Loss::row_losses(const Tensor& y_true, const Tensor& y_pred) const {
  const Rows rows(*this, y_true, y_pred);
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
                         std::optional<double> gradient_scale) const {
  const bool with_gradient = gradient_scale.has_value();
  const auto scale = static_cast<float>(gradient_scale.value_or(1));
  const Rows rows(*this, y_true, y_pred);
  std::vector<float> weights;
  if (sample_weight.defined()) weights = training::row_weights(sample_weight, rows.shape);
  const float divisor = divisor_of(reduction_, rows.counts, weights);

  Tensor gradient = with_gradient ? Tensor::empty(rows.y_pred.shape()) : Tensor();
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
    for (float& x : slope) x = x * (weight / divisor) * scale;
  });
  LossResult result;
  const double sum = std::accumulate(losses.begin(), losses.end(), 0.0);
  result.value = divisor == 0 ? 0.0F : static_cast<float>(sum / divisor);
  if (with_gradient) result.gradient = gradient.reshape(y_pred.shape()).cast(y_pred.dtype());
  return result;
}

}  // namespace lamina
