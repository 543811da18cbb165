#pragma once
#include <lamina/losses.h>

#include <algorithm>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "training/described/description.h"
#include "training/losses/keras_defaults.h"

// What the losses are written with.
namespace lamina::losses {

using Row = std::span<const float>;
using Slope = std::span<float>;

using training::described;
using training::named;

inline constexpr float kEpsilon = static_cast<float>(training::kEpsilon);

/// The mean of f(y_true, y_pred) over the last axis; f also gives its derivative.
template <class F>
class MeanOverRow : public Loss {
 public:
  MeanOverRow(std::string name, Reduction reduction, F f)
      : Loss(std::move(name), reduction), f_(f) {}

 protected:
  float row(Row y_true, Row y_pred, Slope gradient) const override {
    const auto size = static_cast<float>(y_pred.size());
    float sum = 0;
    for (std::size_t i = 0; i < y_pred.size(); ++i) {
      float slope = 0;
      sum += f_(y_true[i], y_pred[i], slope);
      if (!gradient.empty()) gradient[i] = slope / size;
    }
    return sum / size;
  }

 private:
  F f_;
};

template <class F>
[[nodiscard]] LossPtr mean_over_row(std::string name, Reduction reduction, F f) {
  return std::make_shared<MeanOverRow<F>>(std::move(name), reduction, f);
}

struct Clipped {
  float value;
  bool inside;  ///< not clipped: the derivative passes
};
[[nodiscard]] inline Clipped clip(float p) {
  return {std::clamp(p, kEpsilon, 1.0F - kEpsilon), p > kEpsilon && p < 1.0F - kEpsilon};
}

/// Throws ValueError for a `label_smoothing` that is not in [0, 1].
void require_smoothing(const char* loss, double smoothing);

}  // namespace lamina::losses
