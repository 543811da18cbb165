#pragma once
#include <lamina/tensor.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lamina {

namespace training {
struct Description;
class Descriptions;
struct LossRows;
}  // namespace training

/// How the losses of single rows become one number (Keras's `reduction`).
enum class Reduction {
  kSumOverBatchSize,      ///< weighted sum over the number of rows
  kSum,                   ///< weighted sum
  kMeanWithSampleWeight,  ///< weighted sum over the sum of the weights
};

struct LossResult {
  float value = 0;
  Tensor gradient;  ///< d(scale value)/d(y_pred): y_pred's shape and dtype
};

/// What the rows of a batch lose, one by one.
struct RowLosses {
  Tensor values;  ///< float32, of y_pred's shape without the axes of a row
  Tensor counts;  ///< of the same: 1, or 0 for a row that takes no part, whose value is 0
};

/// A loss over predictions (..., classes): one number a row, that is for all but the last axis, and
/// these reduced to one. Computed in float32, rows in parallel; the result does not depend on the
/// number of threads. Immutable: safe to use from any thread.
///
/// To write one, derive and override `row` (and `labels`, where a row has another number of labels
/// than predictions; `row_axes`, where it has more than the last axis, or others; and `prepared`,
/// where labels mean something else beside each other).
class Loss {
 public:
  virtual ~Loss() = default;
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] Reduction reduction() const noexcept { return reduction_; }

  /// The loss of predictions on host memory. A last axis of size 1 that only one of `y_true` and
  /// `y_pred` has is added or dropped. `sample_weight` has the rows' shape, or that of their first
  /// axis (one weight a sample); undefined: all 1. `mask`, what the model says of `y_pred` (see
  /// GradientTape::output_masks), has the rows' shape: where it is 0 the row takes no part and is
  /// not counted; undefined: all do. One row without axes, such as all of a batch, has weights and
  /// masks of any shape: it is weighed and counted as though it stood at each place. Throws
  /// ValueError naming both shapes when they do not fit, and for labels that are out of range.
  [[nodiscard]] float operator()(const Tensor& y_true, const Tensor& y_pred,
                                 const Tensor& sample_weight = {}, const Tensor& mask = {}) const;
  /// The same with its derivative, multiplied by `scale` before it is rounded to `y_pred`'s dtype:
  /// what a float16 model's small gradients need (see Optimizer::loss_scale). The value is not.
  [[nodiscard]] LossResult value_and_gradient(const Tensor& y_true, const Tensor& y_pred,
                                              const Tensor& sample_weight = {}, double scale = 1,
                                              const Tensor& mask = {}) const;
  /// What the rows lose before they are weighted and reduced. Throws as above.
  [[nodiscard]] RowLosses row_losses(const Tensor& y_true, const Tensor& y_pred) const;

 protected:
  explicit Loss(std::string name, Reduction reduction = Reduction::kSumOverBatchSize)
      : name_(std::move(name)), reduction_(reduction) {}

  /// The loss of one row. Where `gradient` is not empty, it is as long as `y_pred` and receives the
  /// derivative. Called from several threads, in which denormal numbers count as zeros on x86-64;
  /// must not throw.
  [[nodiscard]] virtual float row(std::span<const float> y_true, std::span<const float> y_pred,
                                  std::span<float> gradient) const = 0;
  /// The axes of predictions of `rank` axes, at least one, whose elements are one row's, in their
  /// order; all others are the rows'. Labels that are as many as a row's predictions lie as they
  /// do. Throws ValueError for predictions that have none such.
  [[nodiscard]] virtual std::vector<std::size_t> row_axes(std::size_t rank) const {
    return {rank - 1};
  }
  /// Labels that belong to a row of `classes` predictions.
  [[nodiscard]] virtual std::int64_t labels(std::int64_t classes) const { return classes; }
  /// Throws ValueError for labels that no row may have.
  virtual void check_labels(std::span<const float> /*y_true*/, std::int64_t /*classes*/) const {}
  /// What rows are given of the labels of one call, all together: float32, of the same shape.
  [[nodiscard]] virtual Tensor prepared(const Tensor& y_true) const { return y_true; }
  /// A row that takes no part: its loss is 0 and it is not counted.
  [[nodiscard]] virtual bool ignored(std::span<const float> /*y_true*/) const { return false; }

 private:
  friend class training::Descriptions;
  friend struct training::LossRows;
  // Of the library's own losses, those override it whose rows have any number of labels: how many
  // these have, float32, for predictions of this shape. In place of `labels` and `check_labels`;
  // throws ValueError where they do not fit.
  virtual std::optional<std::int64_t> given_labels(const Tensor& /*y_true*/,
                                                   const Shape& /*y_pred*/) const {
    return {};
  }
  // And this those that must know the shape of the predictions, in place of `row`.
  virtual float row_of(const training::LossRows& /*rows*/, std::span<const float> y_true,
                       std::span<const float> y_pred, std::span<float> gradient) const {
    return row(y_true, y_pred, gradient);
  }
  LossResult compute(const Tensor& y_true, const Tensor& y_pred, const Tensor& sample_weight,
                     const Tensor& mask, std::optional<double> gradient_scale) const;
  // Row by row; of the library's own, losses whose rows depend on one another override them.
  virtual RowLosses losses_of(const training::LossRows& rows, const Tensor& y_pred) const;
  virtual LossResult reduced(const training::LossRows& rows, const Tensor& y_pred,
                             std::optional<double> gradient_scale) const;

  std::string name_;
  Reduction reduction_;
  std::shared_ptr<const training::Description> description_;  // of Keras's own
};

using LossPtr = std::shared_ptr<const Loss>;

/// Keras's losses, with Keras's names and defaults.
namespace losses {

struct LossOptions {
  Reduction reduction = Reduction::kSumOverBatchSize;
  std::string name = {};  ///< empty: Keras's, "mean_squared_error"
};
/// mean((y_true - y_pred)^2)
[[nodiscard]] LossPtr MeanSquaredError(LossOptions options = {});
/// mean(|y_true - y_pred|)
[[nodiscard]] LossPtr MeanAbsoluteError(LossOptions options = {});

/// 100 mean(|y_true - y_pred| / max(|y_true|, 1e-7))
[[nodiscard]] LossPtr MeanAbsolutePercentageError(LossOptions options = {});
/// mean((log(1 + max(y_true, 1e-7)) - log(1 + max(y_pred, 1e-7)))^2)
[[nodiscard]] LossPtr MeanSquaredLogarithmicError(LossOptions options = {});
/// mean(log(cosh(y_pred - y_true)))
[[nodiscard]] LossPtr LogCosh(LossOptions options = {});
/// mean(y_pred - y_true log(y_pred + 1e-7))
[[nodiscard]] LossPtr Poisson(LossOptions options = {});
/// -sum(y p / (|y| |p|)), over the last axis (Keras's `axis` is always -1 here): -1 where they
/// point the same way. The metric of this name has the other sign, as in Keras.
[[nodiscard]] LossPtr CosineSimilarity(LossOptions options = {});
/// sum(y log(y / p)), both clipped to [1e-7, 1].
[[nodiscard]] LossPtr KLDivergence(LossOptions options = {});
/// mean(max(1 - y p, 0)), y -1 or 1; labels that are all 0 or 1 become that.
[[nodiscard]] LossPtr Hinge(LossOptions options = {});
/// mean(max(1 - y p, 0)^2), y likewise.
[[nodiscard]] LossPtr SquaredHinge(LossOptions options = {});
/// max(max((1 - y) p) - sum(y p) + 1, 0), y one-hot.
[[nodiscard]] LossPtr CategoricalHinge(LossOptions options = {});

/// mean(x^2 / 2 where |x| <= delta, else delta |x| - delta^2 / 2)
struct HuberOptions {
  double delta = 1.0;
  Reduction reduction = Reduction::kSumOverBatchSize;
  std::string name = {};
};
[[nodiscard]] LossPtr Huber(HuberOptions options = {});

/// mean(-y log p - (1 - y) log(1 - p)), y and p of one shape. Probabilities are clipped to
/// [1e-7, 1 - 1e-7].
struct BinaryCrossentropyOptions {
  bool from_logits = false;
  double label_smoothing = 0.0;  ///< in [0, 1]: y (1 - s) + s / 2
  Reduction reduction = Reduction::kSumOverBatchSize;
  std::string name = {};
};
[[nodiscard]] LossPtr BinaryCrossentropy(BinaryCrossentropyOptions options = {});

/// mean((1 - t)^gamma b), b being what BinaryCrossentropy takes the mean of and
/// t = y p + (1 - y) (1 - p); with `apply_class_balancing` times y alpha + (1 - y) (1 - alpha).
/// Logits are made probabilities first.
struct BinaryFocalCrossentropyOptions {
  bool apply_class_balancing = false;
  double alpha = 0.25;
  double gamma = 2.0;
  bool from_logits = false;
  double label_smoothing = 0.0;  ///< in [0, 1]: y (1 - s) + s / 2
  Reduction reduction = Reduction::kSumOverBatchSize;
  std::string name = {};
};
[[nodiscard]] LossPtr BinaryFocalCrossentropy(BinaryFocalCrossentropyOptions options = {});

/// -sum(alpha (1 - p)^gamma y log p), y one-hot or probabilities of p's shape; p is divided by its
/// sum and clipped to [1e-7, 1 - 1e-7], logits are made probabilities first. `alpha` is one number,
/// where Keras also takes one a class.
struct CategoricalFocalCrossentropyOptions {
  double alpha = 0.25;
  double gamma = 2.0;
  bool from_logits = false;
  double label_smoothing = 0.0;  ///< in [0, 1]: y (1 - s) + s / classes
  Reduction reduction = Reduction::kSumOverBatchSize;
  std::string name = {};
};
[[nodiscard]] LossPtr CategoricalFocalCrossentropy(
    CategoricalFocalCrossentropyOptions options = {});

/// -sum(y log p), y one-hot or probabilities of p's shape. Probabilities are divided by their sum
/// and clipped to [1e-7, 1 - 1e-7].
struct CategoricalCrossentropyOptions {
  bool from_logits = false;
  double label_smoothing = 0.0;  ///< in [0, 1]: y (1 - s) + s / classes
  Reduction reduction = Reduction::kSumOverBatchSize;
  std::string name = {};
};
[[nodiscard]] LossPtr CategoricalCrossentropy(CategoricalCrossentropyOptions options = {});

/// -log p[y], y one class number a row: integers in [0, classes), of any dtype.
struct SparseCategoricalCrossentropyOptions {
  bool from_logits = false;
  std::optional<std::int64_t> ignore_class = {};  ///< rows with this label take no part
  Reduction reduction = Reduction::kSumOverBatchSize;
  std::string name = {};
};
[[nodiscard]] LossPtr SparseCategoricalCrossentropy(
    SparseCategoricalCrossentropyOptions options = {});

/// (1 - p[y]^q) / q, p being probabilities and y one class number a row: integers in [0, classes).
struct CategoricalGeneralizedCrossEntropyOptions {
  double q = 0.5;  ///< in (0, 1)
  Reduction reduction = Reduction::kSumOverBatchSize;
  std::string name = {};
};
[[nodiscard]] LossPtr CategoricalGeneralizedCrossEntropy(
    CategoricalGeneralizedCrossEntropyOptions options = {});

/// 1 - 2 sum(y p) / (sum(y) + sum(p) + 1e-7), y and p of one shape.
struct DiceOptions {
  /// Those that the sums are over, negative ones from the end; each of the others' places loses by
  /// itself. Unset: all, the batch's too.
  std::optional<std::vector<std::int64_t>> axis = {};
  Reduction reduction = Reduction::kSumOverBatchSize;
  std::string name = {};
};
[[nodiscard]] LossPtr Dice(DiceOptions options = {});

/// 1 - t / (t + alpha sum((1 - p) y) + beta sum(p (1 - y)) + 1e-7), t being sum(y p).
struct TverskyOptions {
  double alpha = 0.5;
  double beta = 0.5;
  std::optional<std::vector<std::int64_t>> axis = {};  ///< as that of Dice
  Reduction reduction = Reduction::kSumOverBatchSize;
  std::string name = {};
};
[[nodiscard]] LossPtr Tversky(TverskyOptions options = {});

/// Of embeddings (batch, n), best of length 1, and one integer label each: log(1 + sum(exp(pull))
/// sum(exp(push))) for each, over the others of its label and those of other labels. With d = 1 -
/// their product, but not below 0, pull is gamma max(d + margin, 0) (d - margin), and push gamma
/// max(1 + margin - d, 0) (1 - margin - d). One that loses 0, as it has no others, takes no part.
struct CircleOptions {
  double gamma = 80.0;
  double margin = 0.4;
  bool remove_diagonal = true;  ///< else each is among the others of its label itself
  Reduction reduction = Reduction::kSumOverBatchSize;
  std::string name = {};
};
[[nodiscard]] LossPtr Circle(CircleOptions options = {});

/// -log p(y), the probability that logits (batch, steps, classes) give labels (batch, n) in their
/// order: each label by one step or by several that follow one another, with any number of steps
/// between them that give class 0, the blank, of which there is one at least between equal labels.
/// Labels are integers in [0, classes), and n is any number: as many of the first of a row count as
/// are not 0, which pads them. All steps take part, as in Keras: a mask of (batch, steps) does not
/// fit. Where the steps are too few the loss is finite and about 1e5, as in Keras on JAX.
/// Probabilities are summed in float64.
[[nodiscard]] LossPtr CTC(LossOptions options = {});

/// A loss with its defaults by Keras's name of the class or the function, or its abbreviation:
/// "MeanSquaredError", "mean_squared_error", "mse". Throws ValueError naming those there are.
[[nodiscard]] LossPtr get(std::string_view name);

}  // namespace losses
}  // namespace lamina
