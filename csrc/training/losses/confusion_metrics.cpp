// Metrics of one threshold, and of the best of many.
#include <fmt/format.h>
#include <lamina/error.h>
#include <lamina/metrics.h>

#include <algorithm>
#include <utility>

#include "training/losses/confusion.h"
#include "training/losses/metric_options.h"
#include "training/losses/metric_parts.h"

namespace lamina::metrics {
namespace {

using Matrix = Confusion::Matrix;

// At one of the thresholds.
double recall_at(const Matrix& m, std::size_t k) {
  return ratio(m.true_positives[k], m.true_positives[k] + m.false_negatives[k]);
}
double precision_at(const Matrix& m, std::size_t k) {
  return ratio(m.true_positives[k], m.true_positives[k] + m.false_positives[k]);
}
double specificity_at(const Matrix& m, std::size_t k) {
  return ratio(m.true_negatives[k], m.true_negatives[k] + m.false_positives[k]);
}

MetricPtr count(const CountOptions& options, const char* keras_name,
                std::vector<double> Matrix::*numbers) {
  return std::make_shared<Confusion>(named(options.name, keras_name), std::nullopt,
                                     one_threshold(options.thresholds), Confusion::Elements{},
                                     [numbers](const Matrix& m) { return (m.*numbers)[0]; });
}

/// With `top_k` all of the k are positive, unless a threshold is given.
MetricPtr share(const PrecisionOptions& options, const char* keras_name,
                double (*at)(const Matrix&, std::size_t)) {
  return std::make_shared<Confusion>(
      named(options.name, keras_name), Direction::kUp,
      one_threshold(options.thresholds, options.top_k ? kBelowAll : 0.5),
      Confusion::Elements{.top_k = options.top_k, .class_id = options.class_id},
      [at](const Matrix& m) { return at(m, 0); });
}

using At = double (*)(const Matrix&, std::size_t);

/// The greatest `wanted` where `constrained` is at least `least`. `argument` is what Keras calls
/// that.
MetricPtr best(const char* argument, double least, const AtThresholdOptions& options,
               const char* keras_name, At constrained, At wanted) {
  if (!(least >= 0 && least <= 1)) {
    throw ValueError(fmt::format("Argument `{0}` must be in the range [0, 1]. Received: {0}={1}",
                                 argument, least));
  }
  return std::make_shared<Confusion>(
      named(options.name, keras_name), Direction::kUp, even_thresholds(options.num_thresholds),
      Confusion::Elements{.class_id = options.class_id}, [=](const Matrix& m) {
        double most = 0;
        for (std::size_t k = 0; k < m.true_positives.size(); ++k) {
          if (constrained(m, k) >= least) most = std::max(most, wanted(m, k));
        }
        return most;
      });
}

}  // namespace

MetricPtr TruePositives(CountOptions options) {
  return described("TruePositives", options,
                   count(options, "true_positives", &Matrix::true_positives));
}
MetricPtr FalsePositives(CountOptions options) {
  return described("FalsePositives", options,
                   count(options, "false_positives", &Matrix::false_positives));
}
MetricPtr TrueNegatives(CountOptions options) {
  return described("TrueNegatives", options,
                   count(options, "true_negatives", &Matrix::true_negatives));
}
MetricPtr FalseNegatives(CountOptions options) {
  return described("FalseNegatives", options,
                   count(options, "false_negatives", &Matrix::false_negatives));
}

MetricPtr Precision(PrecisionOptions options) {
  return described("Precision", options, share(options, "precision", precision_at));
}
MetricPtr Recall(PrecisionOptions options) {
  return described("Recall", options, share(options, "recall", recall_at));
}

MetricPtr SensitivityAtSpecificity(double specificity, AtThresholdOptions options) {
  return described("SensitivityAtSpecificity", AtSpecificityOptions{{options, specificity}},
                   best("specificity", specificity, options, "sensitivity_at_specificity",
                        specificity_at, recall_at));
}
MetricPtr SpecificityAtSensitivity(double sensitivity, AtThresholdOptions options) {
  return described("SpecificityAtSensitivity", AtSensitivityOptions{{options, sensitivity}},
                   best("sensitivity", sensitivity, options, "specificity_at_sensitivity",
                        recall_at, specificity_at));
}
MetricPtr PrecisionAtRecall(double recall, AtThresholdOptions options) {
  return described("PrecisionAtRecall", AtRecallOptions{{options, recall}},
                   best("recall", recall, options, "precision_at_recall", recall_at, precision_at));
}
MetricPtr RecallAtPrecision(double precision, AtThresholdOptions options) {
  return described(
      "RecallAtPrecision", AtPrecisionOptions{{options, precision}},
      best("precision", precision, options, "recall_at_precision", precision_at, recall_at));
}

}  // namespace lamina::metrics
