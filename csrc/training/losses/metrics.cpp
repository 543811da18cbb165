#include <lamina/metrics.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <span>
#include <utility>

#include "training/losses/labels.h"
#include "training/losses/metric_options.h"
#include "training/losses/metric_parts.h"

namespace lamina::metrics {
namespace {

std::size_t argmax(Row row) {
  return static_cast<std::size_t>(std::max_element(row.begin(), row.end()) - row.begin());
}

/// A label is greater than all integers that it might be taken for when it is none.
bool is_class(float label, std::size_t index) {
  return label == static_cast<float>(index);
}

bool in_top_k(Row y_pred, std::size_t label, std::int64_t k) {
  const float at = label < y_pred.size() && !std::isnan(y_pred[label])
                       ? y_pred[label]
                       : -std::numeric_limits<float>::infinity();
  return 1 + std::count_if(y_pred.begin(), y_pred.end(), [&](float x) { return x > at; }) <= k;
}

/// A share of what is right.
class Share : public Mean {
 public:
  using Mean::Mean;
  std::optional<Direction> direction() const override { return Direction::kUp; }
  bool takes_mask() const override { return true; }
};

/// By a function of a row's labels and predictions.
class ShareOfRows : public Share {
 public:
  enum class Labels { kSame, kOne };
  using Function = std::function<bool(Row y_true, Row y_pred)>;

  ShareOfRows(std::string name, Labels labels, Function matches)
      : Share(std::move(name)), labels_(labels), matches_(std::move(matches)) {}

  void update_state(const Tensor& y_true, const Tensor& y_pred,
                    const Tensor& sample_weight) override {
    auto [truth, prediction] = training::same_rank(y_true, y_pred);
    if (prediction.shape().rank() == 0) misfit(*this, y_true, y_pred);
    const std::int64_t classes = prediction.shape()[-1];
    const Shape rows = training::without_last(prediction.shape());
    const std::int64_t labels = labels_ == Labels::kOne ? 1 : classes;
    const bool same_rows = truth.shape() == rows || training::without_last(truth.shape()) == rows;
    if (!same_rows || truth.size() != rows.size() * labels) misfit(*this, y_true, y_pred);
    Mean::update_state({}, right_rows(truth, prediction, rows), sample_weight);
  }

 private:
  /// 1 for each row that is right, else 0.
  Tensor right_rows(const Tensor& y_true, const Tensor& y_pred, const Shape& rows) const {
    Tensor out = Tensor::zeros(rows);
    const std::span<float> right = out.data<float>();
    if (right.empty()) return out;
    const Tensor truth = y_true.cast(DType::kFloat32), prediction = y_pred.cast(DType::kFloat32);
    const Row all_labels = truth.data<float>(), all_classes = prediction.data<float>();
    const std::size_t labels = all_labels.size() / right.size();
    const std::size_t classes = all_classes.size() / right.size();
    for (std::size_t i = 0; i < right.size(); ++i) {
      const bool hit = matches_(all_labels.subspan(i * labels, labels),
                                all_classes.subspan(i * classes, classes));
      right[i] = hit ? 1.0F : 0.0F;
    }
    return out;
  }

  Labels labels_;
  Function matches_;
};

using Labels = ShareOfRows::Labels;

MetricPtr share_of_rows(std::string name, Labels labels, ShareOfRows::Function matches) {
  return std::make_shared<ShareOfRows>(std::move(name), labels, std::move(matches));
}

/// By a function of one label and its prediction.
template <class F>
class ShareOfElements : public Share {
 public:
  ShareOfElements(std::string name, F matches) : Share(std::move(name)), matches_(matches) {}

  void update_state(const Tensor& y_true, const Tensor& y_pred,
                    const Tensor& sample_weight) override {
    const std::pair<Tensor, Tensor> both = alike(*this, y_true, y_pred);
    const Row y = both.first.data<float>(), p = both.second.data<float>();
    Tensor matches = Tensor::zeros(both.second.shape());
    const std::span<float> right = matches.data<float>();
    for (std::size_t i = 0; i < right.size(); ++i) right[i] = matches_(y[i], p[i]) ? 1.0F : 0.0F;
    Mean::update_state({}, matches, sample_weight);
  }

 private:
  F matches_;
};

template <class F>
MetricPtr share_of_elements(std::string name, F matches) {
  return std::make_shared<ShareOfElements<F>>(std::move(name), matches);
}

/// What a loss makes of each row. As Keras has it, one that takes no part loses 0 and yet counts,
/// unless there are weights: its own is then left out.
class LossMean : public Mean {
 public:
  LossMean(LossPtr loss, std::string name) : Mean(std::move(name)), loss_(std::move(loss)) {}
  void update_state(const Tensor& y_true, const Tensor& y_pred,
                    const Tensor& sample_weight) override {
    const RowLosses rows = loss_->row_losses(y_true, y_pred);
    Tensor weights;
    if (sample_weight.defined()) {
      weights = Tensor::from(training::row_weights(sample_weight, rows.values.shape()),
                             rows.values.shape());
      const Row counts = rows.counts.data<float>();
      const std::span<float> each = weights.data<float>();
      for (std::size_t i = 0; i < each.size(); ++i) each[i] *= counts[i];
    }
    Mean::update_state({}, rows.values, weights);
  }
  std::optional<Direction> direction() const override { return Direction::kDown; }
  bool takes_mask() const override { return true; }

 private:
  LossPtr loss_;
};

}  // namespace

MetricPtr Accuracy(std::string name) {
  return described(
      "Accuracy", NamedOptions{name},
      share_of_elements(named(name, "accuracy"), [](float y, float p) { return y == p; }));
}

MetricPtr BinaryAccuracy(std::string name, double threshold) {
  return described("BinaryAccuracy", BinaryAccuracyOptions{threshold, name},
                   share_of_elements(named(name, "binary_accuracy"),
                                     [limit = static_cast<float>(threshold)](float y, float p) {
                                       return y == (p > limit);
                                     }));
}

MetricPtr CategoricalAccuracy(std::string name) {
  return described(
      "CategoricalAccuracy", NamedOptions{name},
      share_of_rows(named(name, "categorical_accuracy"), Labels::kSame,
                    [](Row y_true, Row y_pred) { return argmax(y_true) == argmax(y_pred); }));
}

MetricPtr SparseCategoricalAccuracy(std::string name) {
  return described(
      "SparseCategoricalAccuracy", NamedOptions{name},
      share_of_rows(named(name, "sparse_categorical_accuracy"), Labels::kOne,
                    [](Row y_true, Row y_pred) { return is_class(y_true[0], argmax(y_pred)); }));
}

MetricPtr TopKCategoricalAccuracy(std::int64_t k, std::string name) {
  return described(
      "TopKCategoricalAccuracy", TopKOptions{k, name},
      share_of_rows(named(name, "top_k_categorical_accuracy"), Labels::kSame,
                    [k](Row y_true, Row y_pred) { return in_top_k(y_pred, argmax(y_true), k); }));
}

MetricPtr SparseTopKCategoricalAccuracy(std::int64_t k, std::string name) {
  return described(
      "SparseTopKCategoricalAccuracy", TopKOptions{k, name},
      share_of_rows(named(name, "sparse_top_k_categorical_accuracy"), Labels::kOne,
                    [k](Row y_true, Row y_pred) {
                      const float label = y_true[0];
                      const bool fits = label >= 0 && label < static_cast<float>(y_pred.size());
                      return fits && in_top_k(y_pred, static_cast<std::size_t>(label), k);
                    }));
}

MetricPtr MeanOf(LossPtr loss, std::string name) {
  if (name.empty()) name = loss->name();
  return described("MeanOf", MeanOfOptions{loss},
                   std::make_shared<LossMean>(loss, std::move(name)));
}

}  // namespace lamina::metrics
