#include <lamina/losses.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/elementwise.h"
#include "training/losses/rows.h"

namespace lamina::losses {
namespace {

/// x^gamma and its derivative.
struct Power {
  float value, slope;
};
Power power(float x, float gamma) {
  return {std::pow(x, gamma), gamma == 0 ? 0.0F : gamma * std::pow(x, gamma - 1.0F)};
}

/// Of one element, by its probability.
class BinaryFocal {
 public:
  explicit BinaryFocal(const BinaryFocalCrossentropyOptions& options)
      : balances_(options.apply_class_balancing),
        from_logits_(options.from_logits),
        alpha_(static_cast<float>(options.alpha)),
        gamma_(static_cast<float>(options.gamma)),
        smoothing_(static_cast<float>(options.label_smoothing)) {}

  float operator()(float y, float x, float& slope) const {
    y = y * (1.0F - smoothing_) + 0.5F * smoothing_;
    const float p = from_logits_ ? kernels::stable_sigmoid(x) : x;
    const Clipped q = clip(p);
    const float entropy = -(y * std::log(q.value) + (1.0F - y) * std::log(1.0F - q.value));
    const float entropy_slope = q.inside ? (1.0F - y) / (1.0F - q.value) - y / q.value : 0.0F;
    const Power focus = power(1.0F - (y * p + (1.0F - y) * (1.0F - p)), gamma_);
    const float focus_slope = focus.slope * (1.0F - 2.0F * y);
    const float weight = balances_ ? y * alpha_ + (1.0F - y) * (1.0F - alpha_) : 1.0F;
    slope = weight * (focus_slope * entropy + focus.value * entropy_slope);
    if (from_logits_) slope *= p * (1.0F - p);
    return weight * focus.value * entropy;
  }

 private:
  bool balances_, from_logits_;
  float alpha_, gamma_, smoothing_;
};

/// Derivatives by probabilities p become those by what p was made of: times p for softmax(x), over
/// sum(x) for x / sum(x).
void through_sum(Slope gradient, Row p) {
  float mean = 0;
  for (std::size_t i = 0; i < p.size(); ++i) mean += gradient[i] * p[i];
  for (float& slope : gradient) slope -= mean;
}

class CategoricalFocalLoss : public Loss {
 public:
  explicit CategoricalFocalLoss(const CategoricalFocalCrossentropyOptions& options)
      : Loss(named(options.name, "categorical_focal_crossentropy"), options.reduction),
        from_logits_(options.from_logits),
        alpha_(static_cast<float>(options.alpha)),
        gamma_(static_cast<float>(options.gamma)),
        smoothing_(static_cast<float>(options.label_smoothing)) {}

 protected:
  float row(Row y_true, Row y_pred, Slope gradient) const override {
    std::vector<float> p(y_pred.begin(), y_pred.end());
    const float sum = normalize(p);
    const float floor = smoothing_ / static_cast<float>(p.size());
    float loss = 0;
    for (std::size_t i = 0; i < p.size(); ++i) {
      const float y = y_true[i] * (1.0F - smoothing_) + floor;
      const Clipped q = clip(p[i]);
      const Power focus = power(1.0F - q.value, gamma_);
      const float log = std::log(q.value);
      loss -= alpha_ * focus.value * y * log;
      if (gradient.empty()) continue;
      gradient[i] = q.inside ? alpha_ * y * (focus.slope * log - focus.value / q.value) : 0.0F;
    }
    if (gradient.empty()) return loss;
    through_sum(gradient, p);
    for (std::size_t i = 0; i < p.size(); ++i) gradient[i] *= from_logits_ ? p[i] : 1.0F / sum;
    return loss;
  }

 private:
  /// Makes probabilities of what is predicted, and gives what they were divided by.
  [[nodiscard]] float normalize(std::vector<float>& p) const {
    if (from_logits_) {
      const float max = *std::max_element(p.begin(), p.end());
      for (float& x : p) x = std::exp(x - max);
    }
    float sum = 0;
    for (const float x : p) sum += x;
    for (float& x : p) x /= sum;
    return sum;
  }

  bool from_logits_;
  float alpha_, gamma_, smoothing_;
};

}  // namespace

LossPtr BinaryFocalCrossentropy(BinaryFocalCrossentropyOptions options) {
  require_smoothing("BinaryFocalCrossentropy", options.label_smoothing);
  return described("BinaryFocalCrossentropy", options,
                   mean_over_row(named(options.name, "binary_focal_crossentropy"),
                                 options.reduction, BinaryFocal(options)));
}

LossPtr CategoricalFocalCrossentropy(CategoricalFocalCrossentropyOptions options) {
  require_smoothing("CategoricalFocalCrossentropy", options.label_smoothing);
  return described("CategoricalFocalCrossentropy", options,
                   std::make_shared<CategoricalFocalLoss>(options));
}

}  // namespace lamina::losses
