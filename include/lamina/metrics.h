#pragma once
#include <lamina/losses.h>
#include <lamina/tensor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lamina {

/// Which values of a metric are better.
enum class Direction : std::uint8_t { kDown, kUp };

/// A number that is gathered over batches. Not synchronised.
class Metric {
 public:
  virtual ~Metric() = default;
  [[nodiscard]] const std::string& name() const noexcept { return name_; }

  /// Takes a batch of labels and predictions on host memory into account. `sample_weight`: one
  /// weight a sample, or a row; undefined: all 1. As in Keras a sample, along the first axis,
  /// counts as one however many rows it has: their mean. Throws ValueError for shapes that do not
  /// fit.
  virtual void update_state(const Tensor& y_true, const Tensor& y_pred,
                            const Tensor& sample_weight = {}) = 0;
  /// Of all batches since the last reset; 0 before the first.
  [[nodiscard]] virtual double result() const = 0;
  virtual void reset_state() = 0;
  /// Which results are better (Keras's `_direction`), for callbacks that are to find out
  /// themselves. None: they have to be told.
  [[nodiscard]] virtual std::optional<Direction> direction() const { return {}; }

  /// What a run that is resumed in the middle of an epoch needs: taken back by `set_state`, which
  /// throws ValueError for a state of another length.
  [[nodiscard]] virtual std::vector<double> state() const = 0;
  virtual void set_state(const std::vector<double>& state) = 0;

 protected:
  explicit Metric(std::string name) : name_(std::move(name)) {}

 private:
  std::string name_;
};

using MetricPtr = std::shared_ptr<Metric>;

namespace metrics {

/// The mean of numbers given one by one; by itself it tracks losses.
class Mean : public Metric {
 public:
  explicit Mean(std::string name = "mean") : Metric(std::move(name)) {}
  /// Takes a number into account, which counts as often as its weight says.
  void update(double value, double weight = 1) noexcept {
    total_ += value * weight;
    count_ += weight;
  }
  /// The mean of `values` (as `y_pred`; `y_true` is not looked at) over samples, each being the
  /// mean over its other axes. `sample_weight` broadcasts to the first of their axes.
  void update_state(const Tensor& y_true, const Tensor& values,
                    const Tensor& sample_weight = {}) override;
  [[nodiscard]] double result() const override { return count_ == 0 ? 0 : total_ / count_; }
  void reset_state() override { total_ = count_ = 0; }
  [[nodiscard]] std::vector<double> state() const override { return {total_, count_}; }
  void set_state(const std::vector<double>& state) override;

 private:
  /// The sums over all elements of `shape`, whose first axis counts samples.
  void add(const Shape& shape, double sum, double count);

  double total_ = 0, count_ = 0;
};

// Keras's metrics, with Keras's names and defaults. Predictions are (..., classes) unless said
// otherwise.

/// How often y_pred equals y_true, element by element.
[[nodiscard]] MetricPtr Accuracy(std::string name = "accuracy");
/// How often (y_pred > threshold) equals y_true.
[[nodiscard]] MetricPtr BinaryAccuracy(std::string name = "binary_accuracy",
                                       double threshold = 0.5);
/// How often the greatest prediction is where the greatest label is.
[[nodiscard]] MetricPtr CategoricalAccuracy(std::string name = "categorical_accuracy");
/// How often the greatest prediction is the class that the label names.
[[nodiscard]] MetricPtr SparseCategoricalAccuracy(std::string name = "sparse_categorical_accuracy");
/// How often fewer than k predictions are greater than that of the right class: of labels that are
/// one-hot, or (the sparse one) name it.
[[nodiscard]] MetricPtr TopKCategoricalAccuracy(std::int64_t k = 5,
                                                std::string name = "top_k_categorical_accuracy");
[[nodiscard]] MetricPtr SparseTopKCategoricalAccuracy(
    std::int64_t k = 5, std::string name = "sparse_top_k_categorical_accuracy");
/// The mean of a loss over rows.
[[nodiscard]] MetricPtr MeanOf(LossPtr loss, std::string name = {});

/// A metric with its defaults by Keras's name of the class or the function: "SparseCategorical
/// Accuracy", "sparse_categorical_accuracy", "mse". What was given is its name in logs, as in
/// Keras. "accuracy" and "acc", in any case, are what fits labels and predictions of these shapes:
/// BinaryAccuracy where the last axis of the predictions is 1,
/// SparseCategoricalAccuracy where the labels have no such axis (or one of 1), else
/// CategoricalAccuracy. Throws ValueError naming those there are.
[[nodiscard]] MetricPtr get(std::string_view name, const Shape& y_true, const Shape& y_pred);

}  // namespace metrics
}  // namespace lamina
