#include <fmt/format.h>
#include <lamina/metrics.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>

#include "training/labels.h"

namespace lamina::metrics {
namespace {

using Row = std::span<const float>;

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

/// The mean over rows of a function of a row's labels and predictions: a share of what is right.
class RowMean : public Mean {
 public:
  enum class Labels { kSame, kOne };
  using Function = std::function<float(Row y_true, Row y_pred)>;

  RowMean(std::string name, Labels labels, Function function)
      : Mean(std::move(name)), labels_(labels), function_(std::move(function)) {}

  void update_state(const Tensor& y_true, const Tensor& y_pred,
                    const Tensor& sample_weight) override {
    auto [truth, prediction] = training::same_rank(y_true, y_pred);
    if (prediction.shape().rank() == 0) fail(y_true, y_pred);
    const std::int64_t classes = prediction.shape()[-1];
    const Shape rows = training::without_last(prediction.shape());
    const std::int64_t labels = labels_ == Labels::kOne ? 1 : classes;
    const bool same_rows = truth.shape() == rows || training::without_last(truth.shape()) == rows;
    if (!same_rows || truth.size() != rows.size() * labels) fail(y_true, y_pred);
    gather(truth.cast(DType::kFloat32), prediction.cast(DType::kFloat32), rows, sample_weight);
  }
  std::optional<Direction> direction() const override { return Direction::kUp; }

 private:
  [[noreturn]] void fail(const Tensor& y_true, const Tensor& y_pred) const {
    throw ValueError(
        fmt::format("Metric '{}': `y_true` of shape {} does not fit `y_pred` of "
                    "shape {}.",
                    name(), y_true.shape().str(), y_pred.shape().str()));
  }

  void gather(const Tensor& truth, const Tensor& prediction, const Shape& rows,
              const Tensor& sample_weight) {
    const auto count = static_cast<std::size_t>(rows.size());
    if (count == 0) return;
    const auto weights =
        sample_weight.defined() ? training::row_weights(sample_weight, rows) : std::vector<float>();
    const std::size_t labels = truth.data<float>().size() / count;
    const std::size_t classes = prediction.data<float>().size() / count;
    for (std::size_t i = 0; i < count; ++i) {
      update(function_(truth.data<float>().subspan(i * labels, labels),
                       prediction.data<float>().subspan(i * classes, classes)),
             weights.empty() ? 1.0 : weights[i]);
    }
  }

  Labels labels_;
  Function function_;
};

using Labels = RowMean::Labels;

MetricPtr row_mean(std::string name, Labels labels, RowMean::Function function) {
  return std::make_shared<RowMean>(std::move(name), labels, std::move(function));
}

template <class F>
MetricPtr share_of_elements(std::string name, F matches) {
  return row_mean(std::move(name), Labels::kSame, [matches](Row y_true, Row y_pred) {
    float sum = 0;
    for (std::size_t i = 0; i < y_pred.size(); ++i) sum += matches(y_true[i], y_pred[i]) ? 1 : 0;
    return sum / static_cast<float>(y_pred.size());
  });
}

/// The loss of each batch, weighted by its rows.
class LossMean : public Mean {
 public:
  LossMean(LossPtr loss, std::string name) : Mean(std::move(name)), loss_(std::move(loss)) {}
  void update_state(const Tensor& y_true, const Tensor& y_pred,
                    const Tensor& sample_weight) override {
    if (y_pred.shape().rank() == 0 || y_pred.shape()[0] == 0) return;
    double weight = static_cast<double>(y_pred.shape()[0]);
    float value = (*loss_)(y_true, y_pred, sample_weight);
    if (sample_weight.defined()) {
      // The loss divides by the rows, a metric by their weights.
      const Tensor weights = sample_weight.cast(DType::kFloat32);
      double sum = 0;
      for (const float w : weights.data<float>()) sum += w;
      if (sum == 0) return;
      const double rows = static_cast<double>(weights.size());
      update(value * rows / sum, sum * weight / rows);
      return;
    }
    update(value, weight);
  }
  std::optional<Direction> direction() const override { return Direction::kDown; }

 private:
  LossPtr loss_;
};

struct Named {
  std::array<std::string_view, 2> names;
  MetricPtr (*make)();
};
const std::array<Named, 5> kMetrics = {{
    {{"BinaryAccuracy", "binary_accuracy"}, [] { return BinaryAccuracy(); }},
    {{"CategoricalAccuracy", "categorical_accuracy"}, [] { return CategoricalAccuracy(); }},
    {{"SparseCategoricalAccuracy", "sparse_categorical_accuracy"},
     [] { return SparseCategoricalAccuracy(); }},
    {{"TopKCategoricalAccuracy", "top_k_categorical_accuracy"},
     [] { return TopKCategoricalAccuracy(); }},
    {{"SparseTopKCategoricalAccuracy", "sparse_top_k_categorical_accuracy"},
     [] { return SparseTopKCategoricalAccuracy(); }},
}};

MetricPtr accuracy_for(const Shape& y_true, const Shape& y_pred, std::string name) {
  if (y_pred.rank() == 0) throw ValueError("Metric 'accuracy': the predictions are a scalar.");
  if (y_pred[-1] == 1) return BinaryAccuracy(std::move(name));
  const bool one_label = y_true.rank() < y_pred.rank() || y_true[-1] == 1;
  return one_label ? SparseCategoricalAccuracy(std::move(name))
                   : CategoricalAccuracy(std::move(name));
}

}  // namespace

void Mean::update_state(const Tensor&, const Tensor& values, const Tensor& sample_weight) {
  const Tensor numbers = values.cast(DType::kFloat64);
  std::vector<float> weights;
  if (sample_weight.defined()) weights = training::row_weights(sample_weight, values.shape());
  for (std::size_t i = 0; i < numbers.data<double>().size(); ++i) {
    update(numbers.data<double>()[i], weights.empty() ? 1.0 : weights[i]);
  }
}

void Mean::set_state(const std::vector<double>& state) {
  if (state.size() != 2) {
    throw ValueError(
        fmt::format("Metric '{}': its state has 2 numbers, not {}.", name(), state.size()));
  }
  total_ = state[0];
  count_ = state[1];
}

MetricPtr Accuracy(std::string name) {
  return share_of_elements(std::move(name), [](float y, float p) { return y == p; });
}

MetricPtr BinaryAccuracy(std::string name, double threshold) {
  return share_of_elements(std::move(name), [limit = static_cast<float>(threshold)](
                                                float y, float p) { return y == (p > limit); });
}

MetricPtr CategoricalAccuracy(std::string name) {
  return row_mean(std::move(name), Labels::kSame, [](Row y_true, Row y_pred) {
    return argmax(y_true) == argmax(y_pred) ? 1.0F : 0.0F;
  });
}

MetricPtr SparseCategoricalAccuracy(std::string name) {
  return row_mean(std::move(name), Labels::kOne, [](Row y_true, Row y_pred) {
    return is_class(y_true[0], argmax(y_pred)) ? 1.0F : 0.0F;
  });
}

MetricPtr TopKCategoricalAccuracy(std::int64_t k, std::string name) {
  return row_mean(std::move(name), Labels::kSame, [k](Row y_true, Row y_pred) {
    return in_top_k(y_pred, argmax(y_true), k) ? 1.0F : 0.0F;
  });
}

MetricPtr SparseTopKCategoricalAccuracy(std::int64_t k, std::string name) {
  return row_mean(std::move(name), Labels::kOne, [k](Row y_true, Row y_pred) {
    const float label = y_true[0];
    const bool fits = label >= 0 && label < static_cast<float>(y_pred.size());
    return fits && in_top_k(y_pred, static_cast<std::size_t>(label), k) ? 1.0F : 0.0F;
  });
}

MetricPtr MeanOf(LossPtr loss, std::string name) {
  if (name.empty()) name = loss->name();
  return std::make_shared<LossMean>(std::move(loss), std::move(name));
}

MetricPtr get(std::string_view name, const Shape& y_true, const Shape& y_pred) {
  if (name == "accuracy" || name == "acc") return accuracy_for(y_true, y_pred, std::string(name));
  std::string known = "accuracy";
  for (const Named& metric : kMetrics) {
    if (std::find(metric.names.begin(), metric.names.end(), name) != metric.names.end()) {
      return metric.make();
    }
    known += ", " + std::string(metric.names[0]);
  }
  try {
    return MeanOf(losses::get(name), std::string(name));
  } catch (const ValueError&) {
    throw ValueError(
        fmt::format("There is no metric '{}'; there are {}, and the losses", name, known));
  }
}

}  // namespace lamina::metrics
