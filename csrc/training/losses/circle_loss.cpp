// losses::Circle: what each embedding loses depends on all the others of the batch
// (keras/src/losses/losses.py, circle).
#include <fmt/format.h>
#include <lamina/error.h>
#include <lamina/losses.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/denormals.h"
#include "core/parallel_ranges.h"
#include "kernels/losses.h"
#include "training/losses/loss_rows.h"
#include "training/losses/rows.h"

namespace lamina::losses {
namespace {

using training::LossRows;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// The derivative of max(x, 0), as JAX has it at 0.
float step(float x) {
  return x < 0 ? 0.0F : (x == 0 ? 0.5F : 1.0F);
}
float positive(float x) {
  return x < 0 ? 0.0F : x;  // what is no number stays none
}

/// The same for both orders; in lanes, which a compiler makes one instruction of.
float product(Row a, Row b) {
  constexpr std::size_t kLanes = 16;
  float lanes[kLanes] = {};
  std::size_t i = 0;
  for (; i + kLanes <= a.size(); i += kLanes) {
    for (std::size_t k = 0; k < kLanes; ++k) lanes[k] += a[i + k] * b[i + k];
  }
  float sum = 0;
  for (const float lane : lanes) sum += lane;
  for (; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

/// log(sum(exp(x))); of none, what the logarithm of 0 is.
float log_sum_exp(Row x) {
  float max = -kInfinity;
  for (const float each : x) max = max < each || std::isnan(each) ? each : max;
  if (!(std::fabs(max) < kInfinity)) return max;
  double sum = 0;
  for (const float each : x) sum += std::exp(each - max);
  return max + static_cast<float>(std::log(sum));
}

/// How an embedding draws those of its label, or pushes the others away.
struct Force {
  float value, slope;  ///< and the derivative by their product
};

/// The embeddings of a batch, two by two.
class Pairs {
 public:
  Pairs(const CircleOptions& options, const LossRows& rows, const Tensor& y_pred)
      : gamma_(static_cast<float>(options.gamma)),
        margin_(static_cast<float>(options.margin)),
        remove_diagonal_(options.remove_diagonal),
        y_true_(rows.y_true),
        y_pred_(y_pred.reshape(rows.y_pred).cast(DType::kFloat32)),
        size_(static_cast<std::size_t>(rows.shape.size())),
        width_(static_cast<std::size_t>(rows.classes)),
        all_(size_) {
    for_each([&](std::size_t i) { all_[i] = meet(i); });
  }

  /// What embedding i loses.
  [[nodiscard]] float loss(std::size_t i) const {
    return kernels::stable_softplus(all_[i].pull + all_[i].push);
  }
  /// The derivatives by embedding k of the sum of all losses, each times its factor.
  void slopes(std::size_t k, Row factors, Slope out) const {
    std::fill(out.begin(), out.end(), 0.0F);
    for (std::size_t j = 0; j < size_; ++j) {
      const float together = product(embedding(k), embedding(j));
      const float by_product = slope(k, j, together, factors) + slope(j, k, together, factors);
      if (by_product == 0) continue;
      const Row other = embedding(j);
      for (std::size_t i = 0; i < width_; ++i) out[i] += by_product * other[i];
    }
  }
  template <class F>
  void for_each(const F& f) const {
    const core::FlushDenormals flush;
    const auto size = static_cast<std::int64_t>(size_);
    core::parallel_ranges(size, size * static_cast<std::int64_t>(width_ + 16),
                          [&](std::int64_t begin, std::int64_t end) {
                            for (std::int64_t i = begin; i < end; ++i) {
                              f(static_cast<std::size_t>(i));
                            }
                          });
  }

 private:
  /// The logarithms of all that draws an embedding, and of all that pushes it.
  struct Met {
    float pull, push;
  };

  [[nodiscard]] Row embedding(std::size_t i) const {
    return y_pred_.data<float>().subspan(i * width_, width_);
  }
  [[nodiscard]] bool alike(std::size_t i, std::size_t j) const {
    return y_true_.data<float>()[i] == y_true_.data<float>()[j];
  }
  [[nodiscard]] bool leaves_out(std::size_t i, std::size_t j) const {
    return remove_diagonal_ && i == j;
  }

  [[nodiscard]] Force force(bool alike, float together) const {
    const float apart = positive(1.0F - together), by_product = -step(1.0F - together);
    if (alike) {
      const float weight = positive(margin_ + apart), distance = margin_ - apart;
      return {-gamma_ * weight * distance,
              -gamma_ * (step(margin_ + apart) * distance - weight) * by_product};
    }
    const float weight = positive(1.0F + margin_ - apart), distance = 1.0F - margin_ - apart;
    return {gamma_ * weight * distance,
            -gamma_ * (step(1.0F + margin_ - apart) * distance + weight) * by_product};
  }

  [[nodiscard]] Met meet(std::size_t i) const {
    std::vector<float> pulls, pushes;
    for (std::size_t j = 0; j < size_; ++j) {
      if (leaves_out(i, j)) continue;
      const bool drawn = alike(i, j);
      const Force acting = force(drawn, product(embedding(i), embedding(j)));
      (drawn ? pulls : pushes).push_back(acting.value);
    }
    return {log_sum_exp(pulls), log_sum_exp(pushes)};
  }

  /// The derivative of what embedding i loses by its product with j.
  [[nodiscard]] float slope(std::size_t i, std::size_t j, float together, Row factors) const {
    if (factors[i] == 0 || leaves_out(i, j)) return 0;
    const bool drawn = alike(i, j);
    const Force acting = force(drawn, together);
    const float share = std::exp(acting.value - (drawn ? all_[i].pull : all_[i].push));
    return factors[i] * kernels::stable_sigmoid(all_[i].pull + all_[i].push) * share * acting.slope;
  }

  const float gamma_, margin_;
  const bool remove_diagonal_;
  const Tensor y_true_, y_pred_;
  const std::size_t size_, width_;
  std::vector<Met> all_;
};

class CircleLoss : public Loss {
 public:
  explicit CircleLoss(const CircleOptions& options)
      : Loss(named(options.name, "circle"), options.reduction), options_(options) {}

 protected:
  std::int64_t labels(std::int64_t) const override { return 1; }
  std::vector<std::size_t> row_axes(std::size_t rank) const override {
    if (rank == 2) return {1};
    throw ValueError(
        fmt::format("Loss '{}': `y_pred` has {} axes; expected 2, (batch, size of the embeddings).",
                    name(), rank));
  }
  /// Beyond these float32 makes different labels the same.
  void check_labels(Row y_true, std::int64_t) const override {
    constexpr float kEnd = 1 << 24;
    for (std::size_t i = 0; i < y_true.size(); ++i) {
      if (std::fabs(y_true[i]) < kEnd) continue;
      throw ValueError(fmt::format(
          "Loss '{}': the label {:.0f} at position {} is out of range: expected integers between "
          "-{:.0f} and {:.0f}.",
          name(), y_true[i], i, kEnd, kEnd));
    }
  }
  /// Keras takes them for integers.
  Tensor prepared(const Tensor& y_true) const override {
    Tensor whole = y_true.clone();
    for (float& label : whole.data<float>()) label = std::trunc(label);
    return whole;
  }
  /// Of a batch of one, which has nobody to be drawn by.
  float row(Row, Row, Slope gradient) const override {
    std::fill(gradient.begin(), gradient.end(), 0.0F);
    return 0;
  }

 private:
  RowLosses losses_of(const LossRows& rows, const Tensor& y_pred) const override {
    const Pairs pairs(options_, rows, y_pred);
    RowLosses out{Tensor::zeros(rows.shape), Tensor::zeros(rows.shape)};
    const Slope values = out.values.data<float>(), counts = out.counts.data<float>();
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = pairs.loss(i);
      counts[i] = values[i] == 0 ? 0.0F : 1.0F;
    }
    return out;
  }

  LossResult reduced(const LossRows& given, const Tensor& y_pred,
                     std::optional<double> gradient_scale) const override {
    const Pairs pairs(options_, given, y_pred);
    LossRows rows = given;
    std::vector<float> values(rows.counts.size(), 0.0F);
    for (std::size_t i = 0; i < values.size(); ++i) {
      const float loss = pairs.loss(i);
      if (loss == 0) rows.counts[i] = 0;
      if (rows.counted(i)) values[i] = loss * rows.weight(i);
    }
    const float divisor = rows.divisor(reduction());
    LossResult result;
    result.value = LossRows::reduced(values, divisor);
    if (!gradient_scale) return result;
    const kernels::LossWeighting weighting{divisor, static_cast<float>(*gradient_scale)};
    std::vector<float> factors(values.size(), 0.0F);
    for (std::size_t i = 0; i < factors.size(); ++i) {
      if (divisor != 0 && rows.counted(i)) factors[i] = weighting(1.0F, rows.weight(i));
    }
    Tensor gradient = Tensor::empty(rows.y_pred);
    const auto width = static_cast<std::size_t>(rows.classes);
    pairs.for_each([&](std::size_t k) {
      pairs.slopes(k, factors, gradient.data<float>().subspan(k * width, width));
    });
    result.gradient = gradient.reshape(y_pred.shape()).cast(y_pred.dtype());
    return result;
  }

  CircleOptions options_;
};

}  // namespace

LossPtr Circle(CircleOptions options) {
  return described("Circle", options, std::make_shared<CircleLoss>(options));
}

}  // namespace lamina::losses
