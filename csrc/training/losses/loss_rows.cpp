#include "training/losses/loss_rows.h"

#include <fmt/format.h>
#include <lamina/error.h>

#include <tuple>

#include "training/losses/labels.h"

namespace lamina::training {

LossRows::LossRows(const Loss& loss, const Tensor& labels_of_rows, const Shape& predictions) {
  if (!labels_of_rows.defined()) {
    throw ValueError(fmt::format("Loss '{}': `y_true` is undefined.", loss.name()));
  }
  Shape of_labels;
  std::tie(of_labels, y_pred) = same_rank(labels_of_rows.shape(), predictions);
  if (y_pred.rank() == 0) {
    throw ValueError(fmt::format("Loss '{}': `y_pred` is a scalar.", loss.name()));
  }
  classes = y_pred[-1];
  labels = loss.labels(classes);
  shape = without_last(y_pred);
  y_true = labels_of_rows.reshape(of_labels).cast(DType::kFloat32);
  require_fit(loss, labels_of_rows.shape(), predictions);
  loss.check_labels(y_true.data<float>(), classes);
  y_true = loss.prepared(y_true);
  counts.resize(static_cast<std::size_t>(shape.size()));
  const std::span<const float> all = std::as_const(y_true).data<float>();
  const auto width = static_cast<std::size_t>(labels);
  for (std::size_t i = 0; i < counts.size(); ++i) {
    counts[i] = !loss.ignored(all.subspan(i * width, width));
  }
}

void LossRows::require_fit(const Loss& loss, const Shape& given, const Shape& predictions) const {
  Shape expected = shape;
  if (labels != 1 || y_true.shape().rank() == y_pred.rank()) expected.push_back(labels);
  if (y_true.shape() == expected) return;
  throw ValueError(
      fmt::format("Loss '{}': `y_true` of shape {} does not fit `y_pred` of shape {}: expected {}.",
                  loss.name(), given.str(), predictions.str(), expected.str()));
}

void LossRows::require_mask(const Loss& loss, const Shape& mask) const {
  Shape of_mask = mask;
  while (of_mask.rank() > shape.rank() && of_mask[-1] == 1) of_mask = without_last(of_mask);
  if (of_mask == shape) return;
  throw ValueError(fmt::format("Loss '{}': the mask of shape {} does not fit losses of shape {}.",
                               loss.name(), mask.str(), shape.str()));
}

void LossRows::leave_out(const Loss& loss, const Tensor& mask) {
  require_mask(loss, mask.shape());
  const Tensor kept = mask.cast(DType::kBool);
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (!kept.data<bool>()[i]) counts[i] = 0;
  }
}

void LossRows::weigh(const Tensor& sample_weight) {
  weights.clear();
  if (sample_weight.defined()) weights = row_weights(sample_weight, shape);
}

float LossRows::loss_of(const Loss& loss, const Tensor& predictions) const {
  return loss.reduced(*this, predictions, {}).value;
}

float LossRows::divisor(Reduction reduction) const {
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

}  // namespace lamina::training
