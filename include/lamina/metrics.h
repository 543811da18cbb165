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

  /// Tells the shapes of batches before the first one: what settles how long the state of some is,
  /// which else learn it from that batch. First axes may be unknown. Throws ValueError for shapes
  /// that the metric is not defined for, or that do not settle it.
  virtual void build(const Shape& /*y_true*/, const Shape& /*y_pred*/) {}
  /// Takes a batch of labels and predictions on host memory into account. `sample_weight`: one
  /// weight a sample, or a row; undefined: all 1. As in Keras a sample, along the first axis,
  /// counts as one however many rows it has: their mean. Throws ValueError for shapes that do not
  /// fit.
  virtual void update_state(const Tensor& y_true, const Tensor& y_pred,
                            const Tensor& sample_weight = {}) = 0;
  /// Of all batches since the last reset; 0 before the first (of R2Score, as in Keras, NaN).
  [[nodiscard]] virtual double result() const = 0;
  virtual void reset_state() = 0;
  /// Which results are better (Keras's `_direction`), for callbacks that are to find out
  /// themselves. None: they have to be told.
  [[nodiscard]] virtual std::optional<Direction> direction() const { return {}; }
  /// Whether training gives it the mask of the predictions as weights, 1 and 0: so of those that
  /// are the mean of what a function makes of rows (Keras's MeanMetricWrapper).
  [[nodiscard]] virtual bool takes_mask() const { return false; }

  /// What a run that is resumed in the middle of an epoch needs: taken back by `set_state`, which
  /// throws ValueError for a state of another length.
  [[nodiscard]] virtual std::vector<double> state() const = 0;
  virtual void set_state(const std::vector<double>& state) = 0;

 protected:
  explicit Metric(std::string name) : name_(std::move(name)) {}

 private:
  friend class training::Descriptions;
  std::string name_;
  std::shared_ptr<const training::Description> description_;  // of Keras's own
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
/// The mean of a loss over rows, whatever its reduction. As in Keras, a row of a class that the
/// loss ignores counts as one that loses 0, unless there are weights: then it does not count.
[[nodiscard]] MetricPtr MeanOf(LossPtr loss, std::string name = {});

/// sqrt(mean((y_true - y_pred)^2))
[[nodiscard]] MetricPtr RootMeanSquaredError(std::string name = "root_mean_squared_error");
/// mean(log(cosh(y_pred - y_true)))
[[nodiscard]] MetricPtr LogCoshError(std::string name = "logcosh");
/// The mean over rows of sum(y p / (|y| |p|)): 1 where they point the same way (the loss of this
/// name has the other sign). For this and the next two Keras's `axis` is always -1.
[[nodiscard]] MetricPtr CosineSimilarity(std::string name = "cosine_similarity");
/// The mean over rows of the correlation of a row's labels and predictions.
[[nodiscard]] MetricPtr PearsonCorrelation(std::string name = "pearson_correlation");
/// The mean over rows of Keras's concordance correlation.
[[nodiscard]] MetricPtr ConcordanceCorrelation(std::string name = "concordance_correlation");

/// How the scores of outputs become one number (Keras's `class_aggregation`, but for None, which
/// gives one an output).
enum class ClassAggregation : std::uint8_t { kUniformAverage, kVarianceWeightedAverage };
/// 1 - sum((y_true - y_pred)^2) / sum((y_true - mean(y_true))^2), labels and predictions (samples,
/// outputs); adjusted for `num_regressors` where that is not 0. Throws ValueError where that is
/// negative.
struct R2ScoreOptions {
  ClassAggregation class_aggregation = ClassAggregation::kUniformAverage;
  std::int64_t num_regressors = 0;
  std::string name = {};  ///< empty: "r2_score"
};
[[nodiscard]] MetricPtr R2Score(R2ScoreOptions options = {});

// Below, labels are of the predictions' shape and true where they are not 0, predictions positive
// where they are greater than a threshold; each element counts by itself. A sample's or a row's
// weight is that of each of its elements; weights of the predictions' shape are theirs. An empty
// name is Keras's, "precision", without the number that Keras gives to each further one. Thresholds
// that are not in [0, 1] throw ValueError; Keras takes lists of them as well, and then gives as
// many results.

/// Sums of weights.
struct CountOptions {
  std::optional<double> thresholds = {};  ///< one; none: 0.5
  std::string name = {};
};
[[nodiscard]] MetricPtr TruePositives(CountOptions options = {});
[[nodiscard]] MetricPtr FalsePositives(CountOptions options = {});
[[nodiscard]] MetricPtr TrueNegatives(CountOptions options = {});
[[nodiscard]] MetricPtr FalseNegatives(CountOptions options = {});

/// How much of what is positive is true, or of what is true is positive; 0 where there is nothing.
struct PrecisionOptions {
  std::optional<double> thresholds = {};   ///< one; none: 0.5, with `top_k` none
  std::optional<std::int64_t> top_k = {};  ///< only the k greatest of a row may be positive
  /// Only this element of each row counts: in [0, classes), else the first batch throws ValueError.
  std::optional<std::int64_t> class_id = {};
  std::string name = {};
};
[[nodiscard]] MetricPtr Precision(PrecisionOptions options = {});
[[nodiscard]] MetricPtr Recall(PrecisionOptions options = {});

/// The best of the one where the other is at least what is given (in [0, 1], else ValueError), at
/// `num_thresholds` thresholds from 0 to 1. Sensitivity is recall; specificity is how much of what
/// is not true is not positive.
struct AtThresholdOptions {
  std::int64_t num_thresholds = 200;          ///< at most 2^20, else ValueError
  std::optional<std::int64_t> class_id = {};  ///< as PrecisionOptions'
  std::string name = {};
};
[[nodiscard]] MetricPtr SensitivityAtSpecificity(double specificity,
                                                 AtThresholdOptions options = {});
[[nodiscard]] MetricPtr SpecificityAtSensitivity(double sensitivity,
                                                 AtThresholdOptions options = {});
[[nodiscard]] MetricPtr PrecisionAtRecall(double recall, AtThresholdOptions options = {});
[[nodiscard]] MetricPtr RecallAtPrecision(double precision, AtThresholdOptions options = {});

enum class AUCCurve : std::uint8_t { kROC, kPR, kPRGAIN };
enum class AUCSummationMethod : std::uint8_t { kInterpolation, kMajoring, kMinoring };
/// The area under the curve of recall over the share of what is not true and yet positive (ROC), of
/// precision over recall (PR), or of their gains, from points at thresholds. Predictions are in
/// [0, 1]. Keras's `multi_label`, `num_labels` and `label_weights` there are not. Throws ValueError
/// for less than 2 thresholds and more than 2^20.
struct AUCOptions {
  std::int64_t num_thresholds = 200;
  AUCCurve curve = AUCCurve::kROC;
  AUCSummationMethod summation_method = AUCSummationMethod::kInterpolation;
  std::vector<double> thresholds = {};  ///< in [0, 1], without its ends; none: `num_thresholds`
  bool from_logits = false;
  std::string name = {};
};
[[nodiscard]] MetricPtr AUC(AUCOptions options = {});

/// How the scores of classes become one number (Keras's `average`; its default None, which gives
/// one a class, there is not).
enum class Average : std::uint8_t {
  kMicro,     ///< all elements count as of one class
  kMacro,     ///< the mean
  kWeighted,  ///< by the classes' shares of the labels
};
/// (1 + beta^2) precision recall / (beta^2 precision + recall), of labels and predictions (samples,
/// classes). Positive are the greatest of each sample, or with a threshold those above it. Throws
/// ValueError for beta <= 0, and a threshold that is not in (0, 1].
struct FBetaScoreOptions {
  double beta = 1.0;
  std::optional<double> threshold = {};
  std::string name = {};  ///< empty: "fbeta_score"
};
[[nodiscard]] MetricPtr FBetaScore(Average average, FBetaScoreOptions options = {});
/// With beta 1.
struct F1ScoreOptions {
  std::optional<double> threshold = {};
  std::string name = {};  ///< empty: "f1_score"
};
[[nodiscard]] MetricPtr F1Score(Average average, F1ScoreOptions options = {});

// Intersection over union: of the elements that are labelled or predicted as a class, how much is
// both; the mean over those of the target classes that there are. Class numbers that are none do
// not count. Weights are cut off to integers, as Keras does with its default dtype. Throw
// ValueError for target classes that are out of range, and for more than 2^15 classes.

struct IoUOptions {
  std::optional<std::int64_t> ignore_class = {};  ///< elements with this label do not count
  /// Class numbers; false: one number a class along the last axis, the greatest counts.
  bool sparse_y_true = true, sparse_y_pred = true;
  std::string name = {};  ///< empty: Keras's, "io_u", "mean_io_u"
};
[[nodiscard]] MetricPtr IoU(std::int64_t num_classes, std::vector<std::int64_t> target_class_ids,
                            IoUOptions options = {});
[[nodiscard]] MetricPtr MeanIoU(std::int64_t num_classes, IoUOptions options = {});

struct OneHotIoUOptions {
  std::optional<std::int64_t> ignore_class = {};
  bool sparse_y_pred = false;
  std::string name = {};  ///< empty: Keras's, "one_hot_io_u", "one_hot_mean_io_u"
};
[[nodiscard]] MetricPtr OneHotIoU(std::int64_t num_classes,
                                  std::vector<std::int64_t> target_class_ids,
                                  OneHotIoUOptions options = {});
[[nodiscard]] MetricPtr OneHotMeanIoU(std::int64_t num_classes, OneHotIoUOptions options = {});

/// Of two classes: predictions of at least `threshold` are of class 1.
struct BinaryIoUOptions {
  std::vector<std::int64_t> target_class_ids = {0, 1};
  double threshold = 0.5;
  std::string name = {};  ///< empty: "binary_io_u"
};
[[nodiscard]] MetricPtr BinaryIoU(BinaryIoUOptions options = {});

/// A metric with its defaults by Keras's name of the class or the function: "SparseCategorical
/// Accuracy", "sparse_categorical_accuracy", "mse". What was given is its name in logs, as in
/// Keras. "accuracy" and "acc", in any case, are what fits labels and predictions of these shapes:
/// BinaryAccuracy where the last axis of the predictions is 1,
/// SparseCategoricalAccuracy where the labels have no such axis (or one of 1), else
/// CategoricalAccuracy. Throws ValueError naming those there are, and for one that has no defaults,
/// such as F1Score, naming the option.
[[nodiscard]] MetricPtr get(std::string_view name, const Shape& y_true, const Shape& y_pred);

}  // namespace metrics
}  // namespace lamina
