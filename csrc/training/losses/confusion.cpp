#include "training/losses/confusion.h"

#include <fmt/format.h>
#include <lamina/error.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <numeric>

#include "kernels/elementwise.h"
#include "training/losses/labels.h"
#include "training/losses/metric_parts.h"

namespace lamina::metrics {
namespace {

/// Whether each of a row is among its k greatest; of equal ones the first are.
std::vector<bool> among_greatest(Row row, std::int64_t k) {
  std::vector<std::size_t> order(row.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto key = [&](std::size_t i) {
    return std::isnan(row[i]) ? std::numeric_limits<float>::infinity() : row[i];
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return key(a) > key(b); });
  std::vector<bool> among(row.size(), false);
  const auto count = std::min(row.size(), static_cast<std::size_t>(std::max<std::int64_t>(k, 0)));
  for (std::size_t i = 0; i < count; ++i) among[order[i]] = true;
  return among;
}

/// One weight an element.
std::vector<float> element_weights(const Tensor& sample_weight, const Shape& shape,
                                   const Shape& rows, std::size_t classes) {
  const auto size = static_cast<std::size_t>(shape.size());
  if (!sample_weight.defined()) return std::vector<float>(size, 1.0F);
  if (sample_weight.shape() == shape) {
    const Tensor weights = sample_weight.cast(DType::kFloat32);
    return {weights.data<float>().begin(), weights.data<float>().end()};
  }
  const std::vector<float> by_row = training::row_weights(sample_weight, rows);
  std::vector<float> weights(size);
  for (std::size_t i = 0; i < size; ++i) weights[i] = by_row[i / classes];
  return weights;
}

}  // namespace

Confusion::Confusion(std::string name, std::optional<Direction> direction, Thresholds thresholds,
                     Elements elements, Result result)
    : Metric(std::move(name)),
      direction_(direction),
      thresholds_(std::move(thresholds)),
      elements_(elements),
      result_(std::move(result)) {}

void Confusion::update_state(const Tensor& y_true, const Tensor& y_pred,
                             const Tensor& sample_weight) {
  auto [truth, prediction] = alike(*this, y_true, y_pred);
  if (prediction.shape().rank() == 0) misfit(*this, y_true, y_pred);
  if (prediction.shape().rank() == 1) {
    truth = truth.reshape({truth.size(), 1});
    prediction = prediction.reshape({prediction.size(), 1});
  }
  const auto classes = static_cast<std::size_t>(prediction.shape()[-1]);
  if (elements_.class_id &&
      (*elements_.class_id < 0 || static_cast<std::size_t>(*elements_.class_id) >= classes)) {
    throw ValueError(
        fmt::format("Metric '{}': `class_id` is {}; the predictions, of shape {}, "
                    "have the classes 0 to {}.",
                    name(), *elements_.class_id, y_pred.shape().str(), prediction.shape()[-1] - 1));
  }
  const Shape rows = training::without_last(prediction.shape());
  const std::vector<float> weights =
      element_weights(sample_weight, prediction.shape(), rows, classes);
  const Row all_true = truth.data<float>(), all_pred = prediction.data<float>();
  positives_.resize(places());
  negatives_.resize(places());
  for (std::size_t at = 0; at < all_pred.size(); at += classes) {
    add_row(all_true.subspan(at, classes), all_pred.subspan(at, classes),
            Row(weights).subspan(at, classes));
  }
}

void Confusion::add_row(Row y_true, Row y_pred, Row weights) {
  std::vector<bool> counts;
  if (elements_.top_k) counts = among_greatest(y_pred, *elements_.top_k);
  const std::size_t first = static_cast<std::size_t>(elements_.class_id.value_or(0));
  const std::size_t end = elements_.class_id ? first + 1 : y_pred.size();
  for (std::size_t i = first; i < end; ++i) {
    float p = elements_.from_logits ? kernels::stable_sigmoid(y_pred[i]) : y_pred[i];
    if (!counts.empty() && !counts[i]) p = static_cast<float>(kBelowAll);
    (y_true[i] != 0 ? positives_ : negatives_)[passed(p)] += weights[i];
  }
}

std::size_t Confusion::passed(float prediction) const {
  if (std::isnan(prediction)) return 0;
  const std::vector<float>& values = thresholds_.values;
  if (thresholds_.spacing == Spacing::kAny) {
    return static_cast<std::size_t>(std::lower_bound(values.begin(), values.end(), prediction) -
                                    values.begin());
  }
  const float steps = static_cast<float>(values.size()) - 1.0F;
  const auto place = static_cast<std::size_t>(std::ceil(kernels::clip01(prediction) * steps));
  return place == 0 && thresholds_.spacing == Spacing::kEvenEnds ? 1 : place;
}

Confusion::Matrix Confusion::matrix() const {
  const std::size_t n = thresholds_.values.size();
  Matrix all;
  all.true_positives.resize(n);
  all.false_positives.resize(n);
  all.true_negatives.resize(n);
  all.false_negatives.resize(n);
  if (positives_.empty()) return all;
  double true_above = 0, false_above = 0;
  for (std::size_t k = n; k-- > 0;) {
    all.true_positives[k] = true_above += positives_[k + 1];
    all.false_positives[k] = false_above += negatives_[k + 1];
  }
  double true_below = 0, false_below = 0;
  for (std::size_t k = 0; k < n; ++k) {
    all.false_negatives[k] = true_below += positives_[k];
    all.true_negatives[k] = false_below += negatives_[k];
  }
  return all;
}

void Confusion::reset_state() {
  std::fill(positives_.begin(), positives_.end(), 0.0);
  std::fill(negatives_.begin(), negatives_.end(), 0.0);
}

std::vector<double> Confusion::state() const {
  if (positives_.empty()) return std::vector<double>(2 * places());
  std::vector<double> state = positives_;
  state.insert(state.end(), negatives_.begin(), negatives_.end());
  return state;
}

void Confusion::set_state(const std::vector<double>& state) {
  require_state(*this, state, 2 * places());
  const auto middle = state.begin() + static_cast<std::ptrdiff_t>(places());
  positives_.assign(state.begin(), middle);
  negatives_.assign(middle, state.end());
}

void require_thresholds(std::span<const double> thresholds) {
  std::vector<double> invalid;
  std::copy_if(thresholds.begin(), thresholds.end(), std::back_inserter(invalid),
               [](double threshold) { return !(threshold >= 0 && threshold <= 1); });
  if (invalid.empty()) return;
  throw ValueError(
      fmt::format("Threshold values must be in [0, 1]. Received: [{}]", fmt::join(invalid, ", ")));
}

Confusion::Thresholds one_threshold(const std::optional<double>& given, double otherwise) {
  if (given) require_thresholds({&*given, 1});
  return {{static_cast<float>(given.value_or(otherwise))}, Confusion::Spacing::kAny};
}

void require_few_thresholds(std::int64_t n) {
  constexpr std::int64_t kMost = 1 << 20;
  if (n <= kMost) return;
  throw ValueError(fmt::format("`num_thresholds` must be at most {}; received {}.", kMost, n));
}

Confusion::Thresholds even_thresholds(std::int64_t n) {
  if (n < 1) {
    throw ValueError(fmt::format(
        "Argument `num_thresholds` must be an integer > 0. Received: num_thresholds={}", n));
  }
  require_few_thresholds(n);
  if (n == 1) return one_threshold({});
  std::vector<float> values;
  for (std::int64_t i = 0; i < n; ++i) {
    values.push_back(static_cast<float>(static_cast<double>(i) / static_cast<double>(n - 1)));
  }
  return {std::move(values), Confusion::Spacing::kEven};
}

}  // namespace lamina::metrics
