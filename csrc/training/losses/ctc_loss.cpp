// losses::CTC: the probability of labels in the steps of a sequence, and its derivatives
// (keras/src/backend/jax/nn.py, ctc_loss).
#include <fmt/format.h>
#include <lamina/error.h>
#include <lamina/losses.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "training/losses/labels.h"
#include "training/losses/loss_rows.h"
#include "training/losses/rows.h"

namespace lamina::losses {
namespace {

using Numbers = std::vector<double>;

/// What Keras on JAX takes for the logarithm of 0: what cannot be costs so much, and has a
/// derivative.
constexpr double kNever = -1e5;

/// log(exp(a) + exp(b))
double log_add(double a, double b) {
  const double apart = a - b;
  if (std::isnan(apart)) return a + b;  // one is no number, or both are the same infinity
  return std::max(a, b) + std::log1p(std::exp(-std::fabs(apart)));
}

/// The derivatives of log_add.
struct Shares {
  double a, b;
};
Shares shares(double a, double b) {
  const double less = std::exp(-std::fabs(a - b)), greater = 1 / (1 + less);
  return a < b ? Shares{less * greater, greater} : Shares{greater, less * greater};
}

/// One sequence of logits and its labels. Paths go step by step: `open[n]` is the logarithm of the
/// probability of those that have given n labels and then, if anything, blanks, and `given[n]` of
/// those that have just given label n.
class Sequence {
 public:
  Sequence(Row y_true, Row logits, std::size_t classes) : logits_(logits), classes_(classes) {
    const auto some = static_cast<std::size_t>(
        std::count_if(y_true.begin(), y_true.end(), [](float label) { return label != 0; }));
    for (std::size_t n = 0; n < some; ++n) {
      labels_.push_back(static_cast<std::size_t>(y_true[n]));
      const bool repeats = n + 1 < y_true.size() && same(y_true[n], y_true[n + 1]);
      before_blank_.push_back(repeats ? kNever : 0);
      behind_blank_.push_back(repeats ? 0 : kNever);
    }
    steps_.assign(logits.size() / classes + 1, {});
    State first{Numbers(some + 1, kNever), Numbers(some, kNever)};
    first.open[0] = 0;
    steps_[0] = std::move(first);
    for (std::size_t t = 0; t + 1 < steps_.size(); ++t) take(t);
  }

  [[nodiscard]] double loss() const {
    const State& last = steps_.back();
    if (labels_.empty()) return -last.open[0];
    return -log_add(last.open.back(), last.given.back());
  }

  void slopes(Slope out) const {
    State above = at_the_end();
    for (std::size_t t = steps_.size() - 1; t-- > 0;) {
      Numbers by_class(classes_, 0);
      above = behind(t, above, by_class);
      // The derivatives by logarithms of probabilities, and by the logits that these are made of.
      double all = 0;
      for (const double each : by_class) all += each;
      const double norm = log_sum(t);
      for (std::size_t k = 0; k < classes_; ++k) {
        out[t * classes_ + k] =
            static_cast<float>(by_class[k] - all * std::exp(logit(t, k) - norm));
      }
    }
  }

 private:
  struct State {
    Numbers open, given;
  };

  static bool same(float a, float b) { return std::trunc(a) == std::trunc(b); }
  [[nodiscard]] double logit(std::size_t t, std::size_t k) const {
    return logits_[t * classes_ + k];
  }
  /// Of the exponents of a step's logits.
  [[nodiscard]] double log_sum(std::size_t t) const {
    const Row all = logits_.subspan(t * classes_, classes_);
    const double max = *std::max_element(all.begin(), all.end());
    double sum = 0;
    for (const float each : all) sum += std::exp(each - max);
    return max + std::log(sum);
  }

  /// `open` once what was just given counts as given, without a blank where the next label differs.
  [[nodiscard]] Numbers opened(const State& state) const {
    Numbers open = state.open;
    for (std::size_t n = 0; n < labels_.size(); ++n) {
      open[n + 1] = log_add(open[n + 1], state.given[n] + before_blank_[n]);
    }
    return open;
  }

  /// Step t, from the state before it to the one behind.
  void take(std::size_t t) {
    const State& from = steps_[t];
    const double norm = log_sum(t), blank = logit(t, 0) - norm;
    const Numbers open = opened(from);
    State next{open, from.given};
    next.open[0] += blank;
    for (std::size_t n = 0; n < labels_.size(); ++n) {
      next.given[n] = log_add(open[n], from.given[n]) + logit(t, labels_[n]) - norm;
      next.open[n + 1] = log_add(open[n + 1], from.given[n] + behind_blank_[n]) + blank;
    }
    steps_[t + 1] = std::move(next);
  }

  /// The derivatives of the loss by the last state.
  [[nodiscard]] State at_the_end() const {
    const State& last = steps_.back();
    State out{Numbers(labels_.size() + 1, 0), Numbers(labels_.size(), 0)};
    out.open.back() = -1;
    if (labels_.empty()) return out;
    const Shares share = shares(last.open.back(), last.given.back());
    out.open.back() = -share.a;
    out.given.back() = -share.b;
    return out;
  }

  /// Those by the state before step t, of those by the state behind it; what they are by the
  /// logarithms of the step's probabilities is added to `by_class`.
  [[nodiscard]] State behind(std::size_t t, const State& above, Numbers& by_class) const {
    const State& from = steps_[t];
    const Numbers open = opened(from);
    State out{above.open, Numbers(labels_.size(), 0)};
    by_class[0] += above.open[0];
    for (std::size_t n = 0; n < labels_.size(); ++n) {
      const Shares by_blank = shares(open[n + 1], from.given[n] + behind_blank_[n]);
      by_class[0] += above.open[n + 1];
      out.open[n + 1] = above.open[n + 1] * by_blank.a;
      out.given[n] += above.open[n + 1] * by_blank.b;
    }
    for (std::size_t n = 0; n < labels_.size(); ++n) {
      const Shares by_label = shares(open[n], from.given[n]);
      by_class[labels_[n]] += above.given[n];
      out.open[n] += above.given[n] * by_label.a;
      out.given[n] += above.given[n] * by_label.b;
    }
    for (std::size_t n = 0; n < labels_.size(); ++n) {  // of what `opened` does
      const Shares share = shares(from.open[n + 1], from.given[n] + before_blank_[n]);
      out.given[n] += out.open[n + 1] * share.b;
      out.open[n + 1] *= share.a;
    }
    return out;
  }

  const Row logits_;
  const std::size_t classes_;
  std::vector<std::size_t> labels_;
  Numbers before_blank_, behind_blank_;  // what it costs the next label to come, or to wait for one
  std::vector<State> steps_;             // before the first, and behind each
};

class CtcLoss : public Loss {
 public:
  explicit CtcLoss(const LossOptions& options)
      : Loss(named(options.name, "ctc"), options.reduction) {}

 protected:
  std::vector<std::size_t> row_axes(std::size_t rank) const override {
    std::vector<std::size_t> out;
    for (std::size_t axis = 1; axis < rank; ++axis) out.push_back(axis);
    return out;
  }
  /// Of one step.
  float row(Row y_true, Row y_pred, Slope gradient) const override {
    return of_steps(y_true, y_pred, y_pred.size(), gradient);
  }

 private:
  std::optional<std::int64_t> given_labels(const Tensor& y_true,
                                           const Shape& y_pred) const override {
    const Shape& shape = y_true.shape();
    if (shape.rank() != 2) {
      throw ValueError(fmt::format(
          "Targets `y_true` are expected to be a tensor of shape `(batch_size, max_length)` in "
          "integer format. Received: y_true.shape={}",
          shape.str()));
    }
    if (y_pred.rank() != 3 || y_pred[2] == 0) {
      throw ValueError(fmt::format(
          "Logits `y_pred` are expected to be a tensor of shape `(batch_size, max_length, "
          "num_classes)`. Received: y_pred.shape={}",
          y_pred.str()));
    }
    if (shape[0] != y_pred[0]) {
      throw ValueError(fmt::format(
          "Loss '{}': `y_true` of shape {} does not fit `y_pred` of shape {}: they are of {} and "
          "{} sequences.",
          name(), shape.str(), y_pred.str(), shape[0], y_pred[0]));
    }
    const Row labels = y_true.data<float>();
    for (std::size_t i = 0; i < labels.size(); ++i) {
      const float label = std::trunc(labels[i]);
      if (label >= 0 && label < static_cast<float>(y_pred[2])) continue;
      throw training::LabelError(name(), labels[i], i, y_pred[2]);
    }
    return shape[1];
  }
  float row_of(const training::LossRows& rows, Row y_true, Row y_pred,
               Slope gradient) const override {
    return of_steps(y_true, y_pred, static_cast<std::size_t>(rows.y_pred[2]), gradient);
  }
  static float of_steps(Row y_true, Row y_pred, std::size_t classes, Slope gradient) {
    const Sequence sequence(y_true, y_pred, classes);
    if (!gradient.empty()) sequence.slopes(gradient);
    return static_cast<float>(sequence.loss());
  }
};

}  // namespace

LossPtr CTC(LossOptions options) {
  return described("CTC", options, std::make_shared<CtcLoss>(options));
}

}  // namespace lamina::losses
