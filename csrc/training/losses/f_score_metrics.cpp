// metrics::FBetaScore and F1Score (keras/src/metrics/f_score_metrics.py).
#include <fmt/format.h>
#include <lamina/error.h>
#include <lamina/metrics.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "training/losses/labels.h"
#include "training/losses/metric_options.h"
#include "training/losses/metric_parts.h"

namespace lamina::metrics {
namespace {

class FBetaScoreMetric : public Metric {
 public:
  FBetaScoreMetric(std::string name, Average average, double beta,
                   const std::optional<double>& threshold)
      : Metric(std::move(name)), average_(average), beta_(beta), threshold_(threshold) {
    if (!(beta > 0)) {
      throw ValueError(
          fmt::format("Invalid `beta` argument value. It should be > 0. Received: beta={}", beta));
    }
    if (threshold && !(*threshold > 0 && *threshold <= 1)) {
      throw ValueError(
          fmt::format("Invalid `threshold` argument value. It should verify 0 < threshold <= 1. "
                      "Received: threshold={}",
                      *threshold));
    }
    if (average_ == Average::kMicro) counts_.resize(1);
  }
  std::optional<Direction> direction() const override { return Direction::kUp; }

  void build(const Shape& y_true, const Shape& y_pred) override {
    if (y_true.rank() != 2 || y_pred.rank() != 2) {
      throw ValueError(
          fmt::format("FBetaScore expects 2D inputs with shape (batch_size, output_dim). Received "
                      "input shapes: y_pred.shape={} and y_true.shape={}.",
                      y_pred.str(), y_true.str()));
    }
    if (counts_.classes() == 0) counts_.resize(output_dim("FBetaScore", y_true, y_pred));
  }

  void update_state(const Tensor& y_true, const Tensor& y_pred,
                    const Tensor& sample_weight) override {
    build(y_true.shape(), y_pred.shape());
    const auto [truth, prediction] = alike(*this, y_true, y_pred);
    const auto classes = static_cast<std::size_t>(y_pred.shape()[-1]);
    const bool micro = average_ == Average::kMicro;
    if (!micro && counts_.classes() != classes) misfit(*this, y_true, y_pred);
    std::vector<float> weights(static_cast<std::size_t>(y_pred.shape()[0]), 1.0F);
    if (sample_weight.defined()) {
      weights = training::row_weights(sample_weight, {y_pred.shape()[0]});
    }
    const Row all_true = truth.data<float>(), all_pred = prediction.data<float>();
    for (std::size_t i = 0; i < weights.size(); ++i) {
      const Row y = all_true.subspan(i * classes, classes);
      const Row p = all_pred.subspan(i * classes, classes);
      const float most = classes == 0 ? 0.0F : *std::max_element(p.begin(), p.end());
      for (std::size_t k = 0; k < classes; ++k) {
        add(micro ? 0 : k, y[k], is_positive(p[k], most) ? 1.0 : 0.0, weights[i]);
      }
    }
  }

  double result() const override {
    const auto& [true_positives, false_positives, false_negatives, labels] = counts_.each;
    const double all = std::accumulate(labels.begin(), labels.end(), 0.0) + kEpsilon;
    double sum = 0;
    for (std::size_t k = 0; k < labels.size(); ++k) {
      const double tp = true_positives[k];
      const double precision = tp / (tp + false_positives[k] + kEpsilon);
      const double recall = tp / (tp + false_negatives[k] + kEpsilon);
      const double score = precision * recall / (beta_ * beta_ * precision + recall + kEpsilon) *
                           (1 + beta_ * beta_);
      sum += average_ == Average::kWeighted ? score * (labels[k] / all) : score;
    }
    if (average_ == Average::kWeighted) return sum;
    return ratio(sum, static_cast<double>(labels.size()));
  }

  void reset_state() override { counts_.reset(); }
  std::vector<double> state() const override {
    std::vector<double> state;
    counts_.append_to(state);
    return state;
  }
  void set_state(const std::vector<double>& state) override {
    require_state(*this, state, counts_.size());
    counts_.set(state);
  }

 private:
  [[nodiscard]] bool is_positive(float prediction, float most) const {
    if (threshold_) return prediction > static_cast<float>(*threshold_);
    return prediction >= most && std::fabs(prediction) > 1e-9F;
  }
  void add(std::size_t k, double y, double p, double weight) {
    counts_.each[0][k] += p * y * weight;
    counts_.each[1][k] += p * (1 - y) * weight;
    counts_.each[2][k] += (1 - p) * y * weight;
    counts_.each[3][k] += y * weight;
  }

  Average average_;
  double beta_;
  std::optional<double> threshold_;
  // True positives, false positives, false negatives and labels of each class, or of all as one.
  ClassSums counts_;
};

}  // namespace

MetricPtr FBetaScore(Average average, FBetaScoreOptions options) {
  return described("FBetaScore", Averaged<FBetaScoreOptions>{options, average},
                   std::make_shared<FBetaScoreMetric>(named(options.name, "fbeta_score"), average,
                                                      options.beta, options.threshold));
}

MetricPtr F1Score(Average average, F1ScoreOptions options) {
  return described("F1Score", Averaged<F1ScoreOptions>{options, average},
                   std::make_shared<FBetaScoreMetric>(named(options.name, "f1_score"), average, 1.0,
                                                      options.threshold));
}

}  // namespace lamina::metrics
