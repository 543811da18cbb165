// metrics::AUC: the area under a curve, from its points at thresholds
// (keras/src/metrics/confusion_metrics.py).
#include <fmt/format.h>
#include <lamina/error.h>
#include <lamina/metrics.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "training/losses/confusion.h"
#include "training/losses/metric_parts.h"

namespace lamina::metrics {
namespace {

using Matrix = Confusion::Matrix;
using Spacing = Confusion::Spacing;

struct Point {
  double x, y;
};

Point roc(const Matrix& m, std::size_t k) {
  return {ratio(m.false_positives[k], m.false_positives[k] + m.true_negatives[k]),
          ratio(m.true_positives[k], m.true_positives[k] + m.false_negatives[k])};
}

Point precision_recall(const Matrix& m, std::size_t k) {
  return {ratio(m.true_positives[k], m.true_positives[k] + m.false_negatives[k]),
          ratio(m.true_positives[k], m.true_positives[k] + m.false_positives[k])};
}

Point gain(const Matrix& m, std::size_t k) {
  const double tp = m.true_positives[k], fn = m.false_negatives[k], fp = m.false_positives[k];
  if (tp == 0) return {0, 1};
  const double scale = ratio(tp + fn, m.true_negatives[k] + fp);
  return {std::max(1 - scale * ratio(fn, tp), 0.0), 1 - scale * ratio(fp, tp)};
}

double height(AUCSummationMethod method, double a, double b) {
  switch (method) {
    case AUCSummationMethod::kInterpolation:
      return (a + b) / 2;
    case AUCSummationMethod::kMinoring:
      return std::min(a, b);
    case AUCSummationMethod::kMajoring:
      return std::max(a, b);
  }
  return 0;
}

Point point(AUCCurve curve, const Matrix& m, std::size_t k) {
  switch (curve) {
    case AUCCurve::kROC:
      return roc(m, k);
    case AUCCurve::kPR:
      return precision_recall(m, k);
    case AUCCurve::kPRGAIN:
      return gain(m, k);
  }
  return {0, 0};
}

double area(const Matrix& m, AUCCurve curve, AUCSummationMethod method) {
  double sum = 0;
  for (std::size_t k = 0; k + 1 < m.true_positives.size(); ++k) {
    const Point a = point(curve, m, k), b = point(curve, m, k + 1);
    sum += (a.x - b.x) * height(method, a.y, b.y);
  }
  return sum;
}

/// Between two points true positives, not precision, are linear (Davis and Goadrich 2006).
double interpolated_area(const Matrix& m) {
  double sum = 0;
  for (std::size_t k = 0; k + 1 < m.true_positives.size(); ++k) {
    const double tp = m.true_positives[k + 1], lost = m.true_positives[k] - tp;
    const double before = m.true_positives[k] + m.false_positives[k];
    const double after = tp + m.false_positives[k + 1];
    const double slope = ratio(lost, std::max(before - after, 0.0));
    const double intercept = tp - slope * after;
    const double quotient = before > 0 && after > 0 ? before / after : 1;
    sum += ratio(slope * (lost + intercept * std::log(quotient)),
                 std::max(tp + m.false_negatives[k + 1], 0.0));
  }
  return sum;
}

/// Keras's is_evenly_distributed_thresholds: in float32, to a ten-millionth.
bool are_even(const std::vector<double>& values) {
  const auto steps = static_cast<float>(values.size() - 1);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double even = static_cast<float>(i) / steps;
    if (!(std::fabs(values[i] - even) <= 1e-7 + 1e-5 * even)) return false;
  }
  return true;
}

Confusion::Thresholds thresholds_of(const AUCOptions& options) {
  require_thresholds(options.thresholds);
  std::vector<double> values = options.thresholds;
  std::sort(values.begin(), values.end());
  if (values.empty()) {
    if (options.num_thresholds <= 1) {
      throw ValueError(fmt::format(
          "Argument `num_thresholds` must be an integer > 1. Received: num_thresholds={}",
          options.num_thresholds));
    }
    require_few_thresholds(options.num_thresholds);
    for (std::int64_t i = 1; i < options.num_thresholds - 1; ++i) {
      values.push_back(static_cast<double>(i) / static_cast<double>(options.num_thresholds - 1));
    }
  }
  values.insert(values.begin(), 0.0);
  values.push_back(1.0);
  const bool even = options.thresholds.empty() || are_even(values);
  Confusion::Thresholds thresholds{{}, even ? Spacing::kEvenEnds : Spacing::kAny};
  values.front() = -kEpsilon;
  values.back() = 1.0 + kEpsilon;
  for (const double value : values) thresholds.values.push_back(static_cast<float>(value));
  return thresholds;
}

}  // namespace

MetricPtr AUC(AUCOptions options) {
  const bool interpolates = options.curve == AUCCurve::kPR &&
                            options.summation_method == AUCSummationMethod::kInterpolation;
  return described("AUC", options,
                   std::make_shared<Confusion>(
                       named(options.name, "auc"), Direction::kUp, thresholds_of(options),
                       Confusion::Elements{.from_logits = options.from_logits},
                       [interpolates, curve = options.curve,
                        method = options.summation_method](const Matrix& m) {
                         return interpolates ? interpolated_area(m) : area(m, curve, method);
                       }));
}

}  // namespace lamina::metrics
