#include <fmt/format.h>
#include <lamina/losses.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "core/parallel_ranges.h"
#include "training/losses/labels.h"

namespace lamina {
namespace {

/// Labels and predictions as float32 rows.
struct Rows {
  Tensor y_true, y_pred;
  Shape shape;  ///< of the rows
  std::int64_t classes = 0, labels = 0;

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
};

Rows make_rows(const std::string& loss, const Tensor& y_true, const Tensor& y_pred) {
  if (!y_true.defined() || !y_pred.defined()) {
    throw ValueError(
        fmt::format("Loss '{}': `{}` is undefined.", loss, y_true.defined() ? "y_pred" : "y_true"));
  }
  Rows rows;
  std::tie(rows.y_true, rows.y_pred) = training::same_rank(y_true, y_pred);
  if (rows.y_pred.shape().rank() == 0) {
    throw ValueError(fmt::format("Loss '{}': `y_pred` is a scalar.", loss));
  }
  rows.classes = rows.y_pred.shape()[-1];
  rows.shape = training::without_last(rows.y_pred.shape());
  rows.y_true = rows.y_true.cast(DType::kFloat32);
  rows.y_pred = rows.y_pred.cast(DType::kFloat32);
  return rows;
}

void require_fit(const std::string& loss, const Rows& rows, const Tensor& y_true,
                 const Tensor& y_pred) {
  Shape expected = rows.shape;
  if (rows.labels != 1 || rows.y_true.shape().rank() == rows.y_pred.shape().rank()) {
    expected.push_back(rows.labels);
  }
  if (rows.y_true.shape() == expected) return;
  throw ValueError(
      fmt::format("Loss '{}': `y_true` of shape {} does not fit `y_pred` of shape {}: expected {}.",
                  loss, y_true.shape().str(), y_pred.shape().str(), expected.str()));
}

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

float Loss::operator()(const Tensor& y_true, const Tensor& y_pred,
                       const Tensor& sample_weight) const {
  return compute(y_true, y_pred, sample_weight, {}).value;
}

LossResult Loss::value_and_gradient(const Tensor& y_true, const Tensor& y_pred,
                                    const Tensor& sample_weight, double scale) const {
  return compute(y_true, y_pred, sample_weight, scale);
}

LossResult Loss::compute(const Tensor& y_true, const Tensor& y_pred, const Tensor& sample_weight,
                         std::optional<double> gradient_scale) const {
  const bool with_gradient = gradient_scale.has_value();
  const auto scale = static_cast<float>(gradient_scale.value_or(1));
  Rows rows = make_rows(name_, y_true, y_pred);
  rows.labels = labels(rows.classes);
  require_fit(name_, rows, y_true, y_pred);
  check_labels(rows.y_true.data<float>(), rows.classes);
  rows.y_true = prepared(rows.y_true);
  const std::int64_t count = rows.shape.size();
  std::vector<float> weights;
  if (sample_weight.defined()) weights = training::row_weights(sample_weight, rows.shape);
  std::vector<std::uint8_t> counts(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < counts.size(); ++i) counts[i] = !ignored(rows.truth(i));
  const float divisor = divisor_of(reduction_, counts, weights);

  Tensor gradient = with_gradient ? Tensor::empty(rows.y_pred.shape()) : Tensor();
  std::vector<float> losses(counts.size(), 0.0F);
  core::parallel_ranges(count, rows.classes * 8, [&](std::int64_t begin, std::int64_t end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      std::span<float> slope;
      if (with_gradient) slope = rows.of(gradient.data<float>(), i, rows.classes);
      if (counts[i] == 0 || divisor == 0) {
        std::fill(slope.begin(), slope.end(), 0.0F);
        continue;
      }
      const float weight = weights.empty() ? 1.0F : weights[i];
      losses[i] = row(rows.truth(i), rows.prediction(i), slope) * weight;
      for (float& x : slope) x = x * (weight / divisor) * scale;
    }
  });
  LossResult result;
  const double sum = std::accumulate(losses.begin(), losses.end(), 0.0);
  result.value = divisor == 0 ? 0.0F : static_cast<float>(sum / divisor);
  if (with_gradient) result.gradient = gradient.reshape(y_pred.shape()).cast(y_pred.dtype());
  return result;
}

}  // namespace lamina
