#include "training/losses/loss_rows.h"

#include <fmt/format.h>
#include <lamina/error.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <optional>
#include <tuple>

#include "kernels/executor.h"
#include "kernels/movement.h"
#include "training/losses/labels.h"

namespace lamina::training {
namespace {

/// A last axis of size 1 that a shape has and one without axes has not is dropped.
Shape without_only_axis(const Shape& shape) {
  return shape == Shape{1} ? Shape{} : shape;
}

void copy(const Tensor& x, const kernels::Layout& from, Tensor& y, const kernels::Layout& to) {
  const kernels::CopyJob job{sizeof(float), x.raw(), y.data<float>().data(), from, to, x.size()};
  const kernels::HostExecutor here;
  kernels::execute(job, here);
}

}  // namespace

LossRows::LossRows(const Loss& loss, const Tensor& labels_of_rows, const Shape& predictions) {
  if (!labels_of_rows.defined()) {
    throw ValueError(fmt::format("Loss '{}': `y_true` is undefined.", loss.name()));
  }
  Shape of_labels;
  std::tie(of_labels, y_pred) = same_rank(labels_of_rows.shape(), predictions);
  if (y_pred.rank() == 0) {
    throw ValueError(fmt::format("Loss '{}': `y_pred` is a scalar.", loss.name()));
  }
  split(loss);
  y_true = labels_of_rows.reshape(of_labels).cast(DType::kFloat32);
  if (const std::optional<std::int64_t> given = loss.given_labels(y_true, y_pred)) {
    labels = *given;
  } else {
    labels = loss.labels(classes);
    require_fit(loss, labels_of_rows.shape(), predictions);
    loss.check_labels(y_true.data<float>(), classes);
  }
  y_true = loss.prepared(y_true);
  if (labels == classes) y_true = by_row(y_true);
  shares = shape;
  counts.resize(static_cast<std::size_t>(shape.size()));
  const std::span<const float> all = std::as_const(y_true).data<float>();
  const auto width = static_cast<std::size_t>(labels);
  for (std::size_t i = 0; i < counts.size(); ++i) {
    counts[i] = !loss.ignored(all.subspan(i * width, width));
  }
}

void LossRows::split(const Loss& loss) {
  const std::vector<std::size_t> own = loss.row_axes(y_pred.rank());
  std::vector<bool> of_row(y_pred.rank(), false);
  for (const std::size_t axis : own) of_row.at(axis) = true;
  std::vector<std::size_t> order;  // the rows' axes, then a row's
  for (const bool inside : {false, true}) {
    for (std::size_t axis = 0; axis < y_pred.rank(); ++axis) {
      if (of_row[axis] == inside) order.push_back(axis);
    }
  }
  classes = 1;
  for (std::size_t axis = 0; axis < y_pred.rank(); ++axis) {
    const std::int64_t dim = y_pred.dims()[axis];
    if (of_row[axis]) {
      classes *= dim;
    } else {
      shape.push_back(dim);
    }
  }
  in_order = std::is_sorted(order.begin(), order.end());
  if (in_order) return;
  if (y_pred.rank() > static_cast<std::size_t>(kernels::kMaxRank)) {
    throw UnsupportedError(fmt::format("Loss '{}': `y_pred` of shape {} has more than {} axes.",
                                       loss.name(), y_pred.str(), kernels::kMaxRank));
  }
  places.rank = static_cast<int>(order.size());
  places.narrow = y_pred.size() <= std::numeric_limits<std::int32_t>::max();
  for (std::size_t i = 0; i < order.size(); ++i) {
    places.dims[i] = y_pred.dims()[order[i]];
    places.strides[i] = 1;
    for (std::size_t axis = order[i] + 1; axis < y_pred.rank(); ++axis) {
      places.strides[i] *= y_pred.dims()[axis];
    }
  }
}

void LossRows::require_fit(const Loss& loss, const Shape& given, const Shape& predictions) const {
  Shape expected = y_pred;
  if (labels == 1 && y_true.shape().rank() != y_pred.rank()) {
    expected = shape;
  } else if (labels != classes) {
    expected = shape;
    expected.push_back(labels);
  }
  if (y_true.shape() == expected) return;
  throw ValueError(
      fmt::format("Loss '{}': `y_true` of shape {} does not fit `y_pred` of shape {}: expected {}.",
                  loss.name(), given.str(), predictions.str(), expected.str()));
}

void LossRows::share(const Shape& all) {
  shares = without_only_axis(all);
  const std::uint8_t counts_itself = counts.empty() ? 0 : counts[0];
  counts.assign(static_cast<std::size_t>(shares.size()), counts_itself);
}

void LossRows::expect_mask(const Loss& loss, const Shape& mask) {
  if (shared()) return share(mask);
  Shape of_mask = mask;
  while (of_mask.rank() > shape.rank() && of_mask[-1] == 1) of_mask = without_last(of_mask);
  if (of_mask == shape) return;
  throw ValueError(fmt::format("Loss '{}': the mask of shape {} does not fit losses of shape {}.",
                               loss.name(), mask.str(), shape.str()));
}

void LossRows::leave_out(const Loss& loss, const Tensor& mask) {
  expect_mask(loss, mask.shape());
  const Tensor kept = mask.cast(DType::kBool);
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (!kept.data<bool>()[i]) counts[i] = 0;
  }
}

void LossRows::weigh(const Tensor& sample_weight) {
  weights.clear();
  if (!sample_weight.defined()) return;
  if (shared() && shares.rank() == 0) share(sample_weight.shape());
  weights = row_weights(sample_weight, shares);
}

bool LossRows::counted(std::size_t row) const {
  if (!shared()) return counts[row] != 0;
  return std::any_of(counts.begin(), counts.end(), [](std::uint8_t each) { return each != 0; });
}

float LossRows::weight(std::size_t row) const {
  if (!shared()) return weights.empty() ? 1.0F : weights[row];
  double all = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] != 0) all += weights.empty() ? 1.0F : weights[i];
  }
  return static_cast<float>(all);
}

bool LossRows::divides_by_weight(Reduction reduction) const {
  // Keras leaves a scalar that one weight has multiplied as it is.
  return reduction == Reduction::kMeanWithSampleWeight && !(shared() && shares.rank() == 0);
}

float LossRows::divisor(Reduction reduction) const {
  if (reduction == Reduction::kSum) return 1;
  const bool by_weight = divides_by_weight(reduction) && !weights.empty();
  double all = 0;
  for (std::size_t i = 0; i < counts.size(); ++i)
    all += counts[i] * (by_weight ? weights[i] : 1.0F);
  return static_cast<float>(all);
}

float LossRows::reduced(std::span<const float> weighted, float divisor) {
  const double sum = std::accumulate(weighted.begin(), weighted.end(), 0.0);
  return divisor == 0 ? 0.0F : static_cast<float>(sum / divisor);
}

float LossRows::loss_of(const Loss& loss, const Tensor& predictions) const {
  return loss.reduced(*this, predictions, {}).value;
}

Tensor LossRows::by_row(const Tensor& numbers) const {
  if (in_order) return numbers;
  Tensor out = Tensor::empty(numbers.shape());
  copy(numbers, places, out, kernels::Layout::dense(out.size()));
  return out;
}

Tensor LossRows::in_place(const Tensor& rows) const {
  if (in_order) return rows;
  Tensor out = Tensor::empty(rows.shape());
  copy(rows, kernels::Layout::dense(rows.size()), out, places);
  return out;
}

}  // namespace lamina::training
