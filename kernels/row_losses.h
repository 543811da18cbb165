// What one row of predictions loses in Keras's losses: each functor gives the loss and fills the
// derivatives, if they are wanted. The host's losses are made of these, and devices compute
// gradients by them.
//
// Sums over a row are a team's: of one thread, which adds up in order, as the host does; or of a
// block of them, each with its part of the row, whose sums are rounded in another order.
#pragma once
#include <cmath>
#include <cstdint>
#include <variant>

#include "kernels/element_losses.h"
#include "kernels/executor.h"

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

/// So many sums at once.
template <int N>
struct LossSums {
  float of[N];
};
template <int N>
struct AddLossSums {
  LAMINA_HOST_DEVICE LossSums<N> operator()(LossSums<N> a, const LossSums<N>& b) const {
    for (int k = 0; k < N; ++k) a.of[k] += b.of[k];
    return a;
  }
};
/// element(i) gives what is added.
LAMINA_FOR_TEAMS template <int N, class Team, class Element>
LAMINA_HOST_DEVICE LossSums<N> sums_of_row(const Team& team, std::int64_t size,
                                           const Element& element) {
  return team.reduce(size, LossSums<N>{}, element, AddLossSums<N>{});
}

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

struct GreaterLoss {
  LAMINA_HOST_DEVICE float operator()(float a, float b) const { return a < b ? b : a; }
};
LAMINA_FOR_TEAMS template <class Team>
LAMINA_HOST_DEVICE float greatest_of(const Team& team, LossRow x) {
  return team.reduce(
      x.size, x[0], [&](std::int64_t i) { return x[i]; }, GreaterLoss{});
}

/// -sum(y log(softmax(x))), y being a function of the class.
LAMINA_FOR_TEAMS template <class Team, class Labels>
LAMINA_HOST_DEVICE float entropy_of_logits(const Team& team, const Labels& y, LossRow x,
                                           LossSlopes slopes) {
  const float max = greatest_of(team, x);
  const float sum = sums_of_row<1>(team, x.size, [&](std::int64_t i) {
                      return LossSums<1>{{std::exp(x[i] - max)}};
                    }).of[0];
  const float log = std::log(sum);
  const LossSums<2> sums = sums_of_row<2>(team, x.size, [&](std::int64_t i) {
    return LossSums<2>{{y(i) == 0 ? 0.0F : -(y(i) * (x[i] - max - log)), y(i)}};
  });
  team.each(slopes.size,
            [&](std::int64_t i) { slopes[i] = std::exp(x[i] - max - log) * sums.of[1] - y(i); });
  return sums.of[0];
}

/// -sum(y log(p / sum(p))), likewise.
LAMINA_FOR_TEAMS template <class Team, class Labels>
LAMINA_HOST_DEVICE float entropy_of_probabilities(const Team& team, const Labels& y, LossRow p,
                                                  LossSlopes slopes) {
  const float sum =
      sums_of_row<1>(team, p.size, [&](std::int64_t i) { return LossSums<1>{{p[i]}}; }).of[0];
  // The loss, and the mean of the derivatives by the normalised probabilities.
  const LossSums<2> sums = sums_of_row<2>(team, p.size, [&](std::int64_t i) {
    const ClippedProbability q = clip_probability(p[i] / sum);
    return LossSums<2>{{y(i) == 0 ? 0.0F : -(y(i) * std::log(q.value)),
                        q.inside ? -(y(i) / q.value * (p[i] / sum)) : 0.0F}};
  });
  team.each(slopes.size, [&](std::int64_t i) {
    const ClippedProbability q = clip_probability(p[i] / sum);
    slopes[i] = ((q.inside ? -y(i) / q.value : 0.0F) - sums.of[1]) / sum;
  });
  return sums.of[0];
}

struct CategoricalEntropy {
  bool from_logits;
  float smoothing;
  LAMINA_FOR_TEAMS template <class Team = Alone>
  LAMINA_HOST_DEVICE float operator()(LossRow y, LossRow p, LossSlopes slopes,
                                      const Team& team = {}) const {
    const float keep = 1.0F - smoothing, floor = smoothing / static_cast<float>(p.size);
    const auto label = [&](std::int64_t i) { return y[i] * keep + floor; };
    return from_logits ? entropy_of_logits(team, label, p, slopes)
                       : entropy_of_probabilities(team, label, p, slopes);
  }
};

/// One label a row: the number of its class.
struct SparseEntropy {
  bool from_logits;
  LAMINA_FOR_TEAMS template <class Team = Alone>
  LAMINA_HOST_DEVICE float operator()(LossRow y, LossRow p, LossSlopes slopes,
                                      const Team& team = {}) const {
    const auto label = [at = static_cast<std::int64_t>(y[0])](std::int64_t i) {
      return i == at ? 1.0F : 0.0F;
    };
    return from_logits ? entropy_of_logits(team, label, p, slopes)
                       : entropy_of_probabilities(team, label, p, slopes);
  }
};

/// Probabilities are computed anew wherever they are needed: a device's thread has no room for a
/// row of them.
struct CategoricalFocalEntropy {
  bool from_logits;
  float alpha, gamma, smoothing;
  LAMINA_FOR_TEAMS template <class Team = Alone>
  LAMINA_HOST_DEVICE float operator()(LossRow y, LossRow x, LossSlopes slopes,
                                      const Team& team = {}) const {
    const float max = from_logits ? greatest_of(team, x) : 0.0F;
    const auto share = [&](std::int64_t i) { return from_logits ? std::exp(x[i] - max) : x[i]; };
    const float sum =
        sums_of_row<1>(team, x.size, [&](std::int64_t i) { return LossSums<1>{{share(i)}}; }).of[0];
    const float keep = 1.0F - smoothing, floor = smoothing / static_cast<float>(x.size);
    // The loss, and the mean of the derivatives by probabilities.
    const LossSums<2> sums = sums_of_row<2>(team, x.size, [&](std::int64_t i) {
      const float label = y[i] * keep + floor, p = share(i) / sum;
      const ClippedProbability q = clip_probability(p);
      const FocusPower focus = focus_power(1.0F - q.value, gamma);
      const float log = std::log(q.value), lost = -(alpha * focus.value * label * log);
      if (slopes.size == 0) return LossSums<2>{{lost, 0.0F}};
      slopes[i] = q.inside ? alpha * label * (focus.slope * log - focus.value / q.value) : 0.0F;
      return LossSums<2>{{lost, slopes[i] * p}};
    });
    // Derivatives by p become those by what p was made of: times p for softmax(x), over sum(x) for
    // x / sum(x).
    team.each(slopes.size, [&](std::int64_t i) {
      slopes[i] = (slopes[i] - sums.of[1]) * (from_logits ? share(i) / sum : 1.0F / sum);
    });
    return sums.of[0];
  }
};

struct NegativeCosine {
  LAMINA_FOR_TEAMS template <class Team = Alone>
  LAMINA_HOST_DEVICE float operator()(LossRow y, LossRow p, LossSlopes slopes,
                                      const Team& team = {}) const {
    const LossSums<3> dots = sums_of_row<3>(team, p.size, [&](std::int64_t i) {
      return LossSums<3>{{y[i] * y[i], p[i] * p[i], y[i] * p[i]}};
    });
    const float of_true = inverse_norm(dots.of[0]), of_pred = inverse_norm(dots.of[1]);
    const float cosine = dots.of[2] * of_true * of_pred;
    // A factor that is clipped does not depend on the predictions.
    const float through = of_pred < 1.0F / kLossEpsilon ? cosine : 0.0F;
    team.each(slopes.size, [&](std::int64_t i) {
      slopes[i] = -(y[i] * of_true - p[i] * of_pred * through) * of_pred;
    });
    return -cosine;
  }

 private:
  /// By what Keras multiplies a row to normalize it.
  [[nodiscard]] static LAMINA_HOST_DEVICE float inverse_norm(float squares) {
    const float inverse = 1.0F / std::sqrt(squares), most = 1.0F / kLossEpsilon;
    return most < inverse ? most : inverse;
  }
};

struct Divergence {
  LAMINA_HOST_DEVICE float operator()(LossRow y_true, LossRow y_pred, LossSlopes slopes) const {
    float sum = 0;
    for (std::int64_t i = 0; i < y_pred.size; ++i) {
      const float y = clamped(y_true[i]), p = clamped(y_pred[i]);
      sum += y * std::log(y / p);
      if (slopes.size != 0) slopes[i] = slope_of(y_true[i], y_pred[i], y_pred.size);
    }
    return sum;
  }
  /// The derivative by one element.
  [[nodiscard]] LAMINA_HOST_DEVICE float slope_of(float y, float p, std::int64_t) const {
    return clamped(p) == p ? -clamped(y) / p : 0.0F;
  }

 private:
  [[nodiscard]] static LAMINA_HOST_DEVICE float clamped(float x) {
    return x < kLossEpsilon ? kLossEpsilon : (1.0F < x ? 1.0F : x);
  }
};

struct CategoricalHingeOfRow {
  LAMINA_FOR_TEAMS template <class Team = Alone>
  LAMINA_HOST_DEVICE float operator()(LossRow y, LossRow p, LossSlopes slopes,
                                      const Team& team = {}) const {
    const auto other = [&](std::int64_t i) { return (1.0F - y[i]) * p[i]; };
    const Answers all = team.reduce(
        p.size, Answers{0, p.size == 0 ? 0.0F : other(0), 0},
        [&](std::int64_t i) {
          return Answers{y[i] * p[i], other(i), 1};
        },
        Greatest{});
    const float short_of = all.wrong - all.right + 1.0F, loss = short_of < 0.0F ? 0.0F : short_of;
    team.each(slopes.size, [&](std::int64_t i) {
      const float share = other(i) == all.wrong ? (1.0F - y[i]) / all.greatest : 0.0F;  // as in JAX
      slopes[i] = loss == 0 ? 0.0F : -y[i] + share;
    });
    return loss;
  }

 private:
  struct Answers {
    float right, wrong, greatest;  ///< greatest: how many are `wrong`
  };
  struct Greatest {
    LAMINA_HOST_DEVICE Answers operator()(Answers a, const Answers& b) const {
      a.right += b.right;
      if (b.wrong > a.wrong) {
        a.wrong = b.wrong;
        a.greatest = b.greatest;
      } else if (b.wrong == a.wrong) {
        a.greatest += b.greatest;
      }
      return a;
    }
  };
};

/// (1 - p^q) / q, p being the label's probability.
struct GeneralizedEntropy {
  float q;
  LAMINA_FOR_TEAMS template <class Team = Alone>
  LAMINA_HOST_DEVICE float operator()(LossRow y, LossRow p, LossSlopes slopes,
                                      const Team& team = {}) const {
    const auto label = [at = static_cast<std::int64_t>(y[0])](std::int64_t i) {
      return i == at ? 1.0F : 0.0F;
    };
    // As Keras has it: what is no number anywhere in the row is none in the sum.
    const float likelihood = sums_of_row<1>(team, p.size, [&](std::int64_t i) {
                               return LossSums<1>{{p[i] * label(i)}};
                             }).of[0];
    const float slope = -std::pow(likelihood, q - 1.0F);
    team.each(slopes.size, [&](std::int64_t i) { slopes[i] = slope * label(i); });
    return (1.0F - std::pow(likelihood, q)) / q;
  }
};

/// What a region and its prediction have together and apart. A row may be a whole batch of images,
/// of which float32 could not add up the elements.
struct RegionSums {
  double both, labels, predictions;

  /// Of all of a row.
  LAMINA_FOR_TEAMS template <class Team>
  static LAMINA_HOST_DEVICE RegionSums of(const Team& team, LossRow y, LossRow p) {
    return team.reduce(
        p.size, RegionSums{0, 0, 0},
        [&](std::int64_t i) {
          return RegionSums{static_cast<double>(y[i] * p[i]), y[i], p[i]};
        },
        Add{});
  }

 private:
  struct Add {
    LAMINA_HOST_DEVICE RegionSums operator()(RegionSums a, const RegionSums& b) const {
      a.both += b.both;
      a.labels += b.labels;
      a.predictions += b.predictions;
      return a;
    }
  };
};

/// 1 - 2 sum(y p) / (sum(y) + sum(p))
struct DiceOfRow {
  LAMINA_FOR_TEAMS template <class Team = Alone>
  LAMINA_HOST_DEVICE float operator()(LossRow y, LossRow p, LossSlopes slopes,
                                      const Team& team = {}) const {
    const RegionSums sums = RegionSums::of(team, y, p);
    const auto whole = static_cast<float>(sums.labels + sums.predictions + kLossEpsilon);
    const float share = static_cast<float>(2.0 * sums.both) / whole;
    team.each(slopes.size, [&](std::int64_t i) { slopes[i] = (share - 2.0F * y[i]) / whole; });
    return 1.0F - share;
  }
};

/// 1 - t / (t + alpha sum((1 - p) y) + beta sum(p (1 - y))), t being sum(y p).
struct TverskyOfRow {
  float alpha, beta;
  LAMINA_FOR_TEAMS template <class Team = Alone>
  LAMINA_HOST_DEVICE float operator()(LossRow y, LossRow p, LossSlopes slopes,
                                      const Team& team = {}) const {
    const RegionSums sums = RegionSums::of(team, y, p);
    const double missed = sums.labels - sums.both, wrong = sums.predictions - sums.both;
    const auto whole = static_cast<float>(sums.both + missed * alpha + wrong * beta + kLossEpsilon);
    const float share = static_cast<float>(sums.both) / whole;
    team.each(slopes.size, [&](std::int64_t i) {
      const float of_whole = y[i] - alpha * y[i] + beta * (1.0F - y[i]);
      slopes[i] = (share * of_whole - y[i]) / whole;
    });
    return 1.0F - share;
  }
};

using RowLoss = std::variant<
    MeanOfRow<SquaredError>, MeanOfRow<AbsoluteError>, MeanOfRow<AbsolutePercentageError>,
    MeanOfRow<SquaredLogarithmicError>, MeanOfRow<LogCoshError>, MeanOfRow<PoissonError>,
    MeanOfRow<HuberError>, MeanOfRow<HingeError>, MeanOfRow<SquaredHingeError>,
    MeanOfRow<BinaryEntropyOfLogits>, MeanOfRow<BinaryEntropy>, MeanOfRow<BinaryFocalEntropy>,
    CategoricalEntropy, SparseEntropy, CategoricalFocalEntropy, NegativeCosine, Divergence,
    CategoricalHingeOfRow, GeneralizedEntropy, DiceOfRow, TverskyOfRow>;

}  // namespace lamina::kernels
