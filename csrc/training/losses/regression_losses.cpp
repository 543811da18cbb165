// Losses of numbers and of distributions.
#include <lamina/losses.h>

#include <algorithm>
#include <cmath>

#include "kernels/elementwise.h"
#include "training/losses/rows.h"

namespace lamina::losses {
namespace {

float dot(Row a, Row b) {
  float sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

/// By what Keras multiplies a row to normalize it.
float inverse_norm(Row row) {
  return std::min(1.0F / std::sqrt(dot(row, row)), 1.0F / kEpsilon);
}

class CosineSimilarityLoss : public Loss {
 public:
  explicit CosineSimilarityLoss(const LossOptions& options)
      : Loss(named(options.name, "cosine_similarity"), options.reduction) {}

 protected:
  float row(Row y_true, Row y_pred, Slope gradient) const override {
    const float of_true = inverse_norm(y_true), of_pred = inverse_norm(y_pred);
    const float cosine = dot(y_true, y_pred) * of_true * of_pred;
    // A factor that is clipped does not depend on the predictions.
    const float through = of_pred < 1.0F / kEpsilon ? cosine : 0.0F;
    for (std::size_t i = 0; i < gradient.size(); ++i) {
      gradient[i] = -(y_true[i] * of_true - y_pred[i] * of_pred * through) * of_pred;
    }
    return -cosine;
  }
};

class KLDivergenceLoss : public Loss {
 public:
  explicit KLDivergenceLoss(const LossOptions& options)
      : Loss(named(options.name, "kl_divergence"), options.reduction) {}

 protected:
  float row(Row y_true, Row y_pred, Slope gradient) const override {
    float sum = 0;
    for (std::size_t i = 0; i < y_pred.size(); ++i) {
      const float y = std::clamp(y_true[i], kEpsilon, 1.0F);
      const float p = std::clamp(y_pred[i], kEpsilon, 1.0F);
      sum += y * std::log(y / p);
      if (!gradient.empty()) gradient[i] = p == y_pred[i] ? -y / p : 0.0F;
    }
    return sum;
  }
};

}  // namespace

LossPtr MeanAbsolutePercentageError(LossOptions options) {
  return described("MeanAbsolutePercentageError", options,
                   mean_over_row(named(options.name, "mean_absolute_percentage_error"),
                                 options.reduction, [](float y, float p, float& slope) {
                                   const float scale = 100.0F / std::max(std::fabs(y), kEpsilon);
                                   slope = scale * (p > y ? 1.0F : (p < y ? -1.0F : p - y));
                                   return scale * std::fabs(y - p);
                                 }));
}

LossPtr MeanSquaredLogarithmicError(LossOptions options) {
  return described("MeanSquaredLogarithmicError", options,
                   mean_over_row(named(options.name, "mean_squared_logarithmic_error"),
                                 options.reduction, [](float y, float p, float& slope) {
                                   const float above = std::max(p, kEpsilon) + 1.0F;
                                   const float error =
                                       std::log(above) - std::log(std::max(y, kEpsilon) + 1.0F);
                                   slope = p <= kEpsilon ? 0.0F : 2.0F * error / above;
                                   return error * error;
                                 }));
}

LossPtr LogCosh(LossOptions options) {
  return described("LogCosh", options,
                   mean_over_row(named(options.name, "log_cosh"), options.reduction,
                                 [](float y, float p, float& slope) {
                                   const float error = p - y;
                                   slope = std::tanh(error);
                                   return error + kernels::stable_softplus(-2.0F * error) -
                                          std::log(2.0F);
                                 }));
}

LossPtr Poisson(LossOptions options) {
  return described("Poisson", options,
                   mean_over_row(named(options.name, "poisson"), options.reduction,
                                 [](float y, float p, float& slope) {
                                   slope = 1.0F - y / (p + kEpsilon);
                                   return p - y * std::log(p + kEpsilon);
                                 }));
}

LossPtr CosineSimilarity(LossOptions options) {
  return described("CosineSimilarity", options, std::make_shared<CosineSimilarityLoss>(options));
}

LossPtr KLDivergence(LossOptions options) {
  return described("KLDivergence", options, std::make_shared<KLDivergenceLoss>(options));
}

}  // namespace lamina::losses
