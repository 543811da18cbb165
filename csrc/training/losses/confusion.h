#pragma once
#include <lamina/metrics.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace lamina::metrics {

inline constexpr double kBelowAll = -1e10;  ///< Keras's NEG_INF

/// How much of the labels lies on which side of each of a metric's thresholds, element by element
/// (keras/src/metrics/metrics_utils.py, update_confusion_matrix_variables): a prediction is
/// positive where it is greater than the threshold, a label where it is not 0.
class Confusion : public Metric {
 public:
  /// Sorted. `kEven`: as far apart as 0, 1 / (n - 1), ..., 1; the prediction is then clipped to
  /// [0, 1] and its place computed, as Keras does, whatever the last bit of a threshold.
  /// `kEvenEnds`: the same with ends a little below 0 and above 1, so that no prediction is below
  /// the first.
  enum class Spacing { kAny, kEven, kEvenEnds };
  struct Thresholds {
    std::vector<float> values;
    Spacing spacing = Spacing::kAny;
  };
  /// Which elements count, and as what.
  struct Elements {
    std::optional<std::int64_t> top_k = {};  ///< others of the row are below every threshold
    std::optional<std::int64_t> class_id = {};
    bool from_logits = false;
  };

  /// Weights for each threshold.
  struct Matrix {
    std::vector<double> true_positives, false_positives, true_negatives, false_negatives;
  };
  using Result = std::function<double(const Matrix&)>;

  Confusion(std::string name, std::optional<Direction> direction, Thresholds thresholds,
            Elements elements, Result result);

  void update_state(const Tensor& y_true, const Tensor& y_pred,
                    const Tensor& sample_weight) override;
  double result() const override { return result_(matrix()); }
  std::optional<Direction> direction() const override { return direction_; }
  void reset_state() override;
  std::vector<double> state() const override;
  void set_state(const std::vector<double>& state) override;

 private:
  [[nodiscard]] Matrix matrix() const;
  /// How many thresholds a prediction can have passed: none to all.
  [[nodiscard]] std::size_t places() const { return thresholds_.values.size() + 1; }
  void add_row(std::span<const float> y_true, std::span<const float> y_pred,
               std::span<const float> weights);
  /// How many thresholds are below a prediction.
  [[nodiscard]] std::size_t passed(float prediction) const;

  std::optional<Direction> direction_;
  Thresholds thresholds_;
  Elements elements_;
  Result result_;
  // Labels' weights, by what predictions passed; empty: none yet.
  std::vector<double> positives_, negatives_;
};

/// Throws ValueError naming those that are not in [0, 1].
void require_thresholds(std::span<const double> thresholds);
/// `given`, or 0.5. Throws ValueError where it is not in [0, 1].
[[nodiscard]] Confusion::Thresholds one_threshold(const std::optional<double>& given,
                                                  double otherwise = 0.5);
/// Throws ValueError for more thresholds than a metric has use for: a file may ask for any number.
void require_few_thresholds(std::int64_t n);
/// 0, 1 / (n - 1), ..., 1; of one: 0.5. Throws ValueError for n < 1 and for too many.
[[nodiscard]] Confusion::Thresholds even_thresholds(std::int64_t n);

}  // namespace lamina::metrics
