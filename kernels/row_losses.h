// What one row of predictions loses in Keras's losses: each functor gives the loss and fills the
// derivatives, if they are wanted. The host's losses are made of these, and devices compute
// gradients by them.
#pragma once
#include <cmath>
#include <cstdint>
#include <variant>

#include "kernels/element_losses.h"

namespace lamina::kernels {

/// What belongs to one row.
template <class T>
struct NumbersOfRow {
  T* data;
  std::int64_t size;
  LAMINA_HOST_DEVICE T& operator[](std::int64_t i) const { return data[i]; }
};
using LossRow = NumbersOfRow<const float>;
using LossSlopes = NumbersOfRow<float>;  ///< without elements where no derivatives are wanted

/// The mean of what the elements lose.
template <class F>
struct MeanOfRow {
  F f;
  LAMINA_HOST_DEVICE float operator()(LossRow y, LossRow p, LossSlopes slopes) const {
    const auto size = static_cast<float>(p.size);
    float sum = 0;
    for (std::int64_t i = 0; i < p.size; ++i) {
      float slope = 0;
      sum += f(y[i], p[i], slope);
      if (slopes.size != 0) slopes[i] = slope / size;
    }
    return sum / size;
  }
  /// The derivative by one element, of a row of so many.
  [[nodiscard]] LAMINA_HOST_DEVICE float slope_of(float y, float p, std::int64_t size) const {
    float slope = 0;
    (void)f(y, p, slope);
    return slope / static_cast<float>(size);
  }
};

[[nodiscard]] LAMINA_HOST_DEVICE inline float greatest_of(LossRow x) {
  float max = x[0];
  for (std::int64_t i = 1; i < x.size; ++i) max = max < x[i] ? x[i] : max;
  return max;
}

/// -sum(y log(softmax(x))), y being a function of the class.
template <class Labels>
LAMINA_HOST_DEVICE float entropy_of_logits(const Labels& y, LossRow x, LossSlopes slopes) {
  const float max = greatest_of(x);
  float sum = 0;
  for (std::int64_t i = 0; i < x.size; ++i) sum += std::exp(x[i] - max);
  const float log = std::log(sum);
  float loss = 0, total = 0;
  for (std::int64_t i = 0; i < x.size; ++i) {
    loss -= y(i) == 0 ? 0.0F : y(i) * (x[i] - max - log);
    total += y(i);
  }
  for (std::int64_t i = 0; i < slopes.size; ++i) {
    slopes[i] = std::exp(x[i] - max - log) * total - y(i);
  }
  return loss;
}

/// -sum(y log(p / sum(p))), likewise.
template <class Labels>
LAMINA_HOST_DEVICE float entropy_of_probabilities(const Labels& y, LossRow p, LossSlopes slopes) {
  float sum = 0;
  for (std::int64_t i = 0; i < p.size; ++i) sum += p[i];
  float loss = 0, mean = 0;  // mean: of the derivatives by the normalised probabilities
  for (std::int64_t i = 0; i < p.size; ++i) {
    const ClippedProbability q = clip_probability(p[i] / sum);
    loss -= y(i) == 0 ? 0.0F : y(i) * std::log(q.value);
    if (q.inside) mean -= y(i) / q.value * (p[i] / sum);
  }
  for (std::int64_t i = 0; i < slopes.size; ++i) {
    const ClippedProbability q = clip_probability(p[i] / sum);
    slopes[i] = ((q.inside ? -y(i) / q.value : 0.0F) - mean) / sum;
  }
  return loss;
}

struct CategoricalEntropy {
  bool from_logits;
  float smoothing;
  LAMINA_HOST_DEVICE float operator()(LossRow y, LossRow p, LossSlopes slopes) const {
    const float keep = 1.0F - smoothing, floor = smoothing / static_cast<float>(p.size);
    const auto label = [&](std::int64_t i) { return y[i] * keep + floor; };
    return from_logits ? entropy_of_logits(label, p, slopes)
                       : entropy_of_probabilities(label, p, slopes);
  }
};

/// One label a row: the number of its class.
struct SparseEntropy {
  bool from_logits;
  LAMINA_HOST_DEVICE float operator()(LossRow y, LossRow p, LossSlopes slopes) const {
    const auto label = [at = static_cast<std::int64_t>(y[0])](std::int64_t i) {
      return i == at ? 1.0F : 0.0F;
    };
    return from_logits ? entropy_of_logits(label, p, slopes)
                       : entropy_of_probabilities(label, p, slopes);
  }
};

/// Probabilities are computed anew wherever they are needed: a device's thread has no room for a
/// row of them.
struct CategoricalFocalEntropy {
  bool from_logits;
  float alpha, gamma, smoothing;
  LAMINA_HOST_DEVICE float operator()(LossRow y, LossRow x, LossSlopes slopes) const {
    const float max = from_logits ? greatest_of(x) : 0.0F;
    const auto share = [&](std::int64_t i) { return from_logits ? std::exp(x[i] - max) : x[i]; };
    float sum = 0;
    for (std::int64_t i = 0; i < x.size; ++i) sum += share(i);
    const float keep = 1.0F - smoothing, floor = smoothing / static_cast<float>(x.size);
    float loss = 0, mean = 0;  // mean: of the derivatives by probabilities
    for (std::int64_t i = 0; i < x.size; ++i) {
      const float label = y[i] * keep + floor, p = share(i) / sum;
      const ClippedProbability q = clip_probability(p);
      const FocusPower focus = focus_power(1.0F - q.value, gamma);
      const float log = std::log(q.value);
      loss -= alpha * focus.value * label * log;
      if (slopes.size == 0) continue;
      slopes[i] = q.inside ? alpha * label * (focus.slope * log - focus.value / q.value) : 0.0F;
      mean += slopes[i] * p;
    }
    // Derivatives by p become those by what p was made of: times p for softmax(x), over sum(x) for
    // x / sum(x).
    for (std::int64_t i = 0; i < slopes.size; ++i) {
      slopes[i] = (slopes[i] - mean) * (from_logits ? share(i) / sum : 1.0F / sum);
    }
    return loss;
  }
};

[[nodiscard]] LAMINA_HOST_DEVICE inline float dot_of(LossRow a, LossRow b) {
  float sum = 0;
  for (std::int64_t i = 0; i < a.size; ++i) sum += a[i] * b[i];
  return sum;
}

struct NegativeCosine {
  LAMINA_HOST_DEVICE float operator()(LossRow y, LossRow p, LossSlopes slopes) const {
    const float of_true = inverse_norm(y), of_pred = inverse_norm(p);
    const float cosine = dot_of(y, p) * of_true * of_pred;
    // A factor that is clipped does not depend on the predictions.
    const float through = of_pred < 1.0F / kLossEpsilon ? cosine : 0.0F;
    for (std::int64_t i = 0; i < slopes.size; ++i) {
      slopes[i] = -(y[i] * of_true - p[i] * of_pred * through) * of_pred;
    }
    return -cosine;
  }

 private:
  /// By what Keras multiplies a row to normalize it.
  [[nodiscard]] static LAMINA_HOST_DEVICE float inverse_norm(LossRow row) {
    const float inverse = 1.0F / std::sqrt(dot_of(row, row)), most = 1.0F / kLossEpsilon;
    return most < inverse ? most : inverse;
  }
};

struct Divergence {
  LAMINA_HOST_DEVICE float operator()(LossRow y_true, LossRow y_pred, LossSlopes slopes) const {
    float sum = 0;
    for (std::int64_t i = 0; i < y_pred.size; ++i) {
      const float y = clamped(y_true[i]), p = clamped(y_pred[i]);
      sum += y * std::log(y / p);
      if (slopes.size != 0) slopes[i] = p == y_pred[i] ? -y / p : 0.0F;
    }
    return sum;
  }

 private:
  [[nodiscard]] static LAMINA_HOST_DEVICE float clamped(float x) {
    return x < kLossEpsilon ? kLossEpsilon : (1.0F < x ? 1.0F : x);
  }
};

struct CategoricalHingeOfRow {
  LAMINA_HOST_DEVICE float operator()(LossRow y, LossRow p, LossSlopes slopes) const {
    float right = 0, wrong = 0, greatest = 0;  // greatest: how many are `wrong`
    for (std::int64_t i = 0; i < p.size; ++i) {
      right += y[i] * p[i];
      const float other = (1.0F - y[i]) * p[i];
      if (i == 0 || other > wrong) {
        wrong = other;
        greatest = 0;
      }
      if (other == wrong) ++greatest;
    }
    const float short_of = wrong - right + 1.0F, loss = short_of < 0.0F ? 0.0F : short_of;
    for (std::int64_t i = 0; i < slopes.size; ++i) {
      const float other = 1.0F - y[i];
      const float share = other * p[i] == wrong ? other / greatest : 0.0F;  // as JAX has it
      slopes[i] = loss == 0 ? 0.0F : -y[i] + share;
    }
    return loss;
  }
};

using RowLoss =
    std::variant<MeanOfRow<SquaredError>, MeanOfRow<AbsoluteError>,
                 MeanOfRow<AbsolutePercentageError>, MeanOfRow<SquaredLogarithmicError>,
                 MeanOfRow<LogCoshError>, MeanOfRow<PoissonError>, MeanOfRow<HuberError>,
                 MeanOfRow<HingeError>, MeanOfRow<SquaredHingeError>,
                 MeanOfRow<BinaryEntropyOfLogits>, MeanOfRow<BinaryEntropy>,
                 MeanOfRow<BinaryFocalEntropy>, CategoricalEntropy, SparseEntropy,
                 CategoricalFocalEntropy, NegativeCosine, Divergence, CategoricalHingeOfRow>;

}  // namespace lamina::kernels
