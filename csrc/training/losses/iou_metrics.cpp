// Intersection over union of classes (keras/src/metrics/iou_metrics.py).
#include <fmt/format.h>
#include <lamina/error.h>
#include <lamina/metrics.h>

#include <algorithm>
#include <cmath>
#include <new>
#include <numeric>
#include <utility>

#include "training/losses/labels.h"
#include "training/losses/metric_options.h"
#include "training/losses/metric_parts.h"

namespace lamina::metrics {
namespace {

/// How labels and predictions become class numbers.
enum class Given { kClasses, kOneHot, kAboveThreshold };

struct Rule {
  std::int64_t num_classes = 0;
  std::vector<std::int64_t> targets;
  std::optional<std::int64_t> ignore_class = {};
  Given y_true = Given::kClasses, y_pred = Given::kClasses;
  double threshold = 0;
};

/// A file may ask for any number, and each pair of classes is counted: from the first one on.
void require_classes(std::int64_t n) {
  constexpr std::int64_t kMost = 1 << 15;
  if (n < 1) throw ValueError(fmt::format("`num_classes` must be positive; received {}.", n));
  if (n <= kMost) return;
  throw ValueError(fmt::format("`num_classes` must be at most {}; received {}.", kMost, n));
}

class IoUMetric : public Metric {
 public:
  IoUMetric(std::string name, Rule rule) : Metric(std::move(name)), rule_(std::move(rule)) {
    const std::int64_t n = rule_.num_classes;
    require_classes(n);
    for (const std::int64_t target : rule_.targets) {
      if (target >= 0 && target < n) continue;
      throw ValueError(
          fmt::format("Target class id {} is out of range, which is [0, {}).", target, n));
    }
  }
  std::optional<Direction> direction() const override { return Direction::kUp; }

  void update_state(const Tensor& y_true, const Tensor& y_pred,
                    const Tensor& sample_weight) override {
    const std::vector<std::int64_t> labels = classes(rule_.y_true, y_true);
    const std::vector<std::int64_t> predictions = classes(rule_.y_pred, y_pred);
    if (labels.size() != predictions.size()) misfit(*this, y_true, y_pred);
    std::vector<float> weights;
    if (sample_weight.defined()) {
      weights = training::row_weights(sample_weight.reshape({sample_weight.size()}),
                                      {static_cast<std::int64_t>(labels.size())});
    }
    const auto fits = [this](std::int64_t k) { return k >= 0 && k < rule_.num_classes; };
    make_counts();
    for (std::size_t i = 0; i < labels.size(); ++i) {
      if (!fits(labels[i]) || !fits(predictions[i]) || labels[i] == rule_.ignore_class) continue;
      const double weight = weights.empty() ? 1.0 : std::trunc(weights[i]);
      counts_[static_cast<std::size_t>(labels[i] * rule_.num_classes + predictions[i])] += weight;
    }
  }

  double result() const override {
    if (counts_.empty()) return 0;
    const auto n = static_cast<std::size_t>(rule_.num_classes);
    double sum = 0, valid = 0;
    for (const std::int64_t target : rule_.targets) {
      const auto k = static_cast<std::size_t>(target);
      double all = -counts_[k * n + k];
      for (std::size_t i = 0; i < n; ++i) all += counts_[k * n + i] + counts_[i * n + k];
      if (all <= 1e-9) continue;  // a class that is not there
      sum += counts_[k * n + k] / (all + kEpsilon);
      ++valid;
    }
    return sum / (valid + kEpsilon);
  }
  void reset_state() override { std::fill(counts_.begin(), counts_.end(), 0.0); }
  std::vector<double> state() const override {
    return counts_.empty() ? std::vector<double>(pairs()) : counts_;
  }
  void set_state(const std::vector<double>& state) override {
    require_state(*this, state, pairs());
    counts_ = state;
  }

 private:
  [[nodiscard]] std::size_t pairs() const {
    return static_cast<std::size_t>(rule_.num_classes * rule_.num_classes);
  }
  void make_counts() {
    if (!counts_.empty()) return;
    try {
      counts_.resize(pairs());
    } catch (const std::bad_alloc&) {
      throw OutOfMemoryError(fmt::format("Metric '{}' of {} classes", name(), rule_.num_classes),
                             OutOfMemoryError(pairs() * sizeof(double)));
    }
  }
  [[nodiscard]] std::vector<std::int64_t> classes(Given given, const Tensor& values) const {
    if (given == Given::kOneHot) return greatest(values);
    const Tensor numbers = values.cast(DType::kFloat32);
    std::vector<std::int64_t> out;
    for (const float x : numbers.data<float>()) out.push_back(class_of(given, x));
    return out;
  }
  /// Numbers are cut off as by a cast to int; what no int32 holds is no class.
  [[nodiscard]] std::int64_t class_of(Given given, float x) const {
    if (given == Given::kAboveThreshold) return x >= static_cast<float>(rule_.threshold) ? 1 : 0;
    return x > -2147483648.0F && x < 2147483648.0F ? static_cast<std::int64_t>(x) : -1;
  }
  [[nodiscard]] std::vector<std::int64_t> greatest(const Tensor& values) const {
    if (values.shape().rank() == 0) {
      throw ValueError(
          fmt::format("Metric '{}': expected one number a class, not a scalar.", name()));
    }
    const Tensor floats = values.cast(DType::kFloat32);
    const Row all = floats.data<float>();
    const auto classes = static_cast<std::size_t>(values.shape()[-1]);
    std::vector<std::int64_t> out;
    for (std::size_t at = 0; at < all.size(); at += classes) {
      const Row row = all.subspan(at, classes);
      out.push_back(std::max_element(row.begin(), row.end()) - row.begin());
    }
    return out;
  }

  Rule rule_;
  std::vector<double> counts_;  // weights, by label and then prediction; empty: none yet
};

std::vector<std::int64_t> all_classes(std::int64_t count) {
  require_classes(count);
  std::vector<std::int64_t> all(static_cast<std::size_t>(count));
  std::iota(all.begin(), all.end(), std::int64_t{0});
  return all;
}

MetricPtr make(const std::string& name, const char* keras, Rule rule) {
  return std::make_shared<IoUMetric>(named(name, keras), std::move(rule));
}

Given given(bool sparse) {
  return sparse ? Given::kClasses : Given::kOneHot;
}

}  // namespace

MetricPtr IoU(std::int64_t num_classes, std::vector<std::int64_t> target_class_ids,
              IoUOptions options) {
  return described("IoU", OfTargets<IoUOptions>{{options, num_classes}, target_class_ids},
                   make(options.name, "io_u",
                        {num_classes, target_class_ids, options.ignore_class,
                         given(options.sparse_y_true), given(options.sparse_y_pred)}));
}

MetricPtr MeanIoU(std::int64_t num_classes, IoUOptions options) {
  return described("MeanIoU", OfClasses<IoUOptions>{options, num_classes},
                   make(options.name, "mean_io_u",
                        {num_classes, all_classes(num_classes), options.ignore_class,
                         given(options.sparse_y_true), given(options.sparse_y_pred)}));
}

MetricPtr OneHotIoU(std::int64_t num_classes, std::vector<std::int64_t> target_class_ids,
                    OneHotIoUOptions options) {
  return described("OneHotIoU",
                   OfTargets<OneHotIoUOptions>{{options, num_classes}, target_class_ids},
                   make(options.name, "one_hot_io_u",
                        {num_classes, target_class_ids, options.ignore_class, Given::kOneHot,
                         given(options.sparse_y_pred)}));
}

MetricPtr OneHotMeanIoU(std::int64_t num_classes, OneHotIoUOptions options) {
  return described("OneHotMeanIoU", OfClasses<OneHotIoUOptions>{options, num_classes},
                   make(options.name, "one_hot_mean_io_u",
                        {num_classes, all_classes(num_classes), options.ignore_class,
                         Given::kOneHot, given(options.sparse_y_pred)}));
}

MetricPtr BinaryIoU(BinaryIoUOptions options) {
  return described("BinaryIoU", options,
                   make(options.name, "binary_io_u",
                        {2,
                         options.target_class_ids,
                         {},
                         Given::kClasses,
                         Given::kAboveThreshold,
                         options.threshold}));
}

}  // namespace lamina::metrics
