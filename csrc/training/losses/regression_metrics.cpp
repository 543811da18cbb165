// Metrics of numbers (keras/src/metrics/regression_metrics.py, correlation_metrics.py).
#include <fmt/format.h>
#include <lamina/error.h>
#include <lamina/metrics.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "training/losses/labels.h"
#include "training/losses/metric_options.h"
#include "training/losses/metric_parts.h"

namespace lamina::metrics {
namespace {

class RootMeanSquaredErrorMetric : public Mean {
 public:
  using Mean::Mean;
  void update_state(const Tensor& y_true, const Tensor& y_pred,
                    const Tensor& sample_weight) override {
    const auto [truth, prediction] = alike(*this, y_true, y_pred);
    Tensor squares = Tensor::empty(prediction.shape());
    const Row y = truth.data<float>(), p = prediction.data<float>();
    const std::span<float> out = squares.data<float>();
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = (p[i] - y[i]) * (p[i] - y[i]);
    Mean::update_state({}, squares, sample_weight);
  }
  double result() const override { return std::sqrt(Mean::result()); }
  std::optional<Direction> direction() const override { return Direction::kDown; }
};

/// The mean of what a function makes of each row.
class MeanOfRows : public Mean {
 public:
  using Function = double (*)(Row y_true, Row y_pred);
  MeanOfRows(std::string name, Function of) : Mean(std::move(name)), of_(of) {}
  void update_state(const Tensor& y_true, const Tensor& y_pred,
                    const Tensor& sample_weight) override {
    const auto [truth, prediction] = alike(*this, y_true, y_pred);
    if (prediction.shape().rank() == 0) misfit(*this, y_true, y_pred);
    const auto size = static_cast<std::size_t>(prediction.shape()[-1]);
    Tensor values = Tensor::zeros(training::without_last(prediction.shape()), DType::kFloat64);
    const Row y = truth.data<float>(), p = prediction.data<float>();
    const std::span<double> out = values.data<double>();
    for (std::size_t i = 0; i < out.size(); ++i) {
      out[i] = of_(y.subspan(i * size, size), p.subspan(i * size, size));
    }
    Mean::update_state({}, values, sample_weight);
  }
  std::optional<Direction> direction() const override { return Direction::kUp; }
  bool takes_mask() const override { return true; }

 private:
  Function of_;
};

struct Moments {
  double mean, variance;
};
Moments moments(Row row) {
  const auto size = static_cast<double>(row.size());
  double sum = 0, squares = 0;
  for (const double x : row) sum += x;
  for (const double x : row) squares += (x - sum / size) * (x - sum / size);
  return {sum / size, squares / size};
}

double cosine(Row y_true, Row y_pred) {
  double product = 0, of_true = 0, of_pred = 0;
  for (std::size_t i = 0; i < y_pred.size(); ++i) {
    const double y = y_true[i], p = y_pred[i];
    product += y * p;
    of_true += y * y;
    of_pred += p * p;
  }
  const auto inverse = [](double squares) { return std::min(1 / std::sqrt(squares), 1e7); };
  return product * inverse(of_true) * inverse(of_pred);
}

double pearson(Row y_true, Row y_pred) {
  const Moments of_true = moments(y_true), of_pred = moments(y_pred);
  double sum = 0;
  for (std::size_t i = 0; i < y_pred.size(); ++i) {
    sum += (y_true[i] - of_true.mean) * (y_pred[i] - of_pred.mean);
  }
  return sum / static_cast<double>(y_pred.size()) / std::sqrt(of_true.variance) /
         std::sqrt(of_pred.variance);
}

// As Keras has the covariance: of both from the predictions' mean.
double concordance(Row y_true, Row y_pred) {
  const Moments of_true = moments(y_true), of_pred = moments(y_pred);
  const double apart = of_true.mean - of_pred.mean;
  const double norm = of_true.variance + of_pred.variance + apart * apart;
  double sum = 0;
  for (std::size_t i = 0; i < y_pred.size(); ++i) {
    sum += 2 * (y_true[i] - of_pred.mean) * (y_pred[i] - of_pred.mean) / (norm + kEpsilon);
  }
  return sum / static_cast<double>(y_pred.size());
}

class R2ScoreMetric : public Metric {
 public:
  R2ScoreMetric(std::string name, const R2ScoreOptions& options)
      : Metric(std::move(name)), o_(options) {
    if (o_.num_regressors >= 0) return;
    throw ValueError(
        fmt::format("Invalid value for argument `num_regressors`. Expected a value >= 0. Received: "
                    "num_regressors={}",
                    o_.num_regressors));
  }
  std::optional<Direction> direction() const override { return Direction::kUp; }

  void build(const Shape& y_true, const Shape& y_pred) override {
    const bool fits = y_pred.rank() == 2 && (y_true.rank() == 2 || y_true.rank() == 1);
    if (!fits) {
      throw ValueError(
          fmt::format("R2Score expects 2D inputs with shape (batch_size, output_dim). Received "
                      "input shapes: y_pred.shape={} and y_true.shape={}.",
                      y_pred.str(), y_true.str()));
    }
    if (sums_.classes() == 0) sums_.resize(output_dim("R2Score", y_true, y_pred));
  }

  void update_state(const Tensor& y_true, const Tensor& y_pred,
                    const Tensor& sample_weight) override {
    build(y_true.shape(), y_pred.shape());
    const auto [truth, prediction] = alike(*this, y_true, y_pred);
    const auto outputs = static_cast<std::size_t>(y_pred.shape()[-1]);
    if (outputs != sums_.classes()) misfit(*this, y_true, y_pred);
    std::vector<float> weights(static_cast<std::size_t>(y_pred.shape()[0]), 1.0F);
    if (sample_weight.defined()) {
      weights = training::row_weights(sample_weight, {y_pred.shape()[0]});
    }
    const Row all_true = truth.data<float>(), all_pred = prediction.data<float>();
    for (std::size_t i = 0; i < all_pred.size(); ++i) {
      const double y = all_true[i], error = y - all_pred[i], weight = weights[i / outputs];
      sums_.each[0][i % outputs] += y * weight;
      sums_.each[1][i % outputs] += y * y * weight;
      sums_.each[2][i % outputs] += error * error * weight;
      sums_.each[3][i % outputs] += weight;
    }
    samples_ += static_cast<double>(all_pred.size());
  }

  double result() const override {
    const auto& [sum, squares, errors, count] = sums_.each;
    double scores = 0, totals = 0;
    for (std::size_t k = 0; k < sum.size(); ++k) {
      const double total = squares[k] - sum[k] * (sum[k] / count[k]);
      const double raw = 1 - errors[k] / total;
      const double weight =
          o_.class_aggregation == ClassAggregation::kVarianceWeightedAverage ? total : 1;
      scores += weight * (std::isinf(raw) ? 0 : raw);
      totals += weight;
    }
    const double score = scores / totals;
    const auto regressors = static_cast<double>(o_.num_regressors);
    // Keras leaves it unadjusted where there are too few samples.
    if (regressors == 0 || regressors >= samples_ - 1) return score;
    return 1 - (1 - score) * (samples_ - 1) / (samples_ - regressors - 1);
  }

  void reset_state() override {
    sums_.reset();
    samples_ = 0;
  }
  std::vector<double> state() const override {
    std::vector<double> state = {samples_};
    sums_.append_to(state);
    return state;
  }
  void set_state(const std::vector<double>& state) override {
    require_state(*this, state, 1 + sums_.size());
    samples_ = state[0];
    sums_.set(std::span(state).subspan(1));
  }

 private:
  R2ScoreOptions o_;
  // For each output: weighted labels, their squares, squared errors, weights.
  ClassSums sums_;
  double samples_ = 0;  // numbers predicted, as Keras counts them
};

}  // namespace

MetricPtr RootMeanSquaredError(std::string name) {
  return described(
      "RootMeanSquaredError", NamedOptions{name},
      std::make_shared<RootMeanSquaredErrorMetric>(named(name, "root_mean_squared_error")));
}

MetricPtr CosineSimilarity(std::string name) {
  return described("CosineSimilarity", NamedOptions{name},
                   std::make_shared<MeanOfRows>(named(name, "cosine_similarity"), cosine));
}

MetricPtr PearsonCorrelation(std::string name) {
  return described("PearsonCorrelation", CorrelationOptions{name},
                   std::make_shared<MeanOfRows>(named(name, "pearson_correlation"), pearson));
}

MetricPtr ConcordanceCorrelation(std::string name) {
  return described(
      "ConcordanceCorrelation", CorrelationOptions{name},
      std::make_shared<MeanOfRows>(named(name, "concordance_correlation"), concordance));
}

MetricPtr LogCoshError(std::string name) {
  return described("LogCoshError", NamedOptions{name},
                   MeanOf(losses::LogCosh(), named(name, "logcosh")));
}

MetricPtr R2Score(R2ScoreOptions options) {
  return described("R2Score", options,
                   std::make_shared<R2ScoreMetric>(named(options.name, "r2_score"), options));
}

}  // namespace lamina::metrics
