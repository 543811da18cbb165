// What an element of the predictions loses by itself, in Keras's losses: each functor gives the
// loss and sets its derivative by the prediction. In float32.
#pragma once
#include <cmath>

#include "kernels/elementwise.h"

namespace lamina::kernels {

inline constexpr float kLossEpsilon = static_cast<float>(1e-7);  ///< keras.config.epsilon()

struct ClippedProbability {
  float value;
  bool inside;  ///< not clipped: the derivative passes
};
[[nodiscard]] LAMINA_HOST_DEVICE inline ClippedProbability clip_probability(float p) {
  const float least = kLossEpsilon, most = 1.0F - kLossEpsilon;
  return {p < least ? least : (most < p ? most : p), p > least && p < most};
}

/// Keras's smoothing of a label that is 0 or 1.
[[nodiscard]] LAMINA_HOST_DEVICE inline float smoothed(float y, float smoothing) {
  return y * (1.0F - smoothing) + 0.5F * smoothing;
}

/// The sign of p - y; of what is no number, that.
[[nodiscard]] LAMINA_HOST_DEVICE inline float sign_of_error(float y, float p) {
  return p > y ? 1.0F : (p < y ? -1.0F : p - y);
}

struct SquaredError {
  LAMINA_HOST_DEVICE float operator()(float y, float p, float& slope) const {
    slope = 2.0F * (p - y);
    return (y - p) * (y - p);
  }
};

struct AbsoluteError {
  LAMINA_HOST_DEVICE float operator()(float y, float p, float& slope) const {
    slope = sign_of_error(y, p);
    return std::fabs(y - p);
  }
};

struct AbsolutePercentageError {
  LAMINA_HOST_DEVICE float operator()(float y, float p, float& slope) const {
    const float size = std::fabs(y);
    const float scale = 100.0F / (size < kLossEpsilon ? kLossEpsilon : size);
    slope = scale * sign_of_error(y, p);
    return scale * std::fabs(y - p);
  }
};

struct SquaredLogarithmicError {
  LAMINA_HOST_DEVICE float operator()(float y, float p, float& slope) const {
    const float above = (p < kLossEpsilon ? kLossEpsilon : p) + 1.0F;
    const float error = std::log(above) - std::log((y < kLossEpsilon ? kLossEpsilon : y) + 1.0F);
    slope = p <= kLossEpsilon ? 0.0F : 2.0F * error / above;
    return error * error;
  }
};

struct LogCoshError {
  LAMINA_HOST_DEVICE float operator()(float y, float p, float& slope) const {
    const float error = p - y;
    slope = std::tanh(error);
    return error + stable_softplus(-2.0F * error) - std::log(2.0F);
  }
};

struct PoissonError {
  LAMINA_HOST_DEVICE float operator()(float y, float p, float& slope) const {
    slope = 1.0F - y / (p + kLossEpsilon);
    return p - y * std::log(p + kLossEpsilon);
  }
};

struct HuberError {
  float delta;
  LAMINA_HOST_DEVICE float operator()(float y, float p, float& slope) const {
    const float error = p - y, size = std::fabs(error);
    if (size <= delta) {
      slope = error;
      return 0.5F * error * error;
    }
    slope = error > 0 ? delta : (error < 0 ? -delta : error);
    return delta * size - 0.5F * delta * delta;
  }
};

struct HingeError {
  LAMINA_HOST_DEVICE float operator()(float y, float p, float& slope) const {
    const float short_of = 1.0F - y * p;
    slope = short_of <= 0 ? 0.0F : -y;
    return short_of < 0.0F ? 0.0F : short_of;
  }
};

struct SquaredHingeError {
  LAMINA_HOST_DEVICE float operator()(float y, float p, float& slope) const {
    const float wanting = 1.0F - y * p, short_of = wanting < 0.0F ? 0.0F : wanting;
    slope = -2.0F * y * short_of;
    return short_of * short_of;
  }
};

struct BinaryEntropyOfLogits {
  float smoothing;
  LAMINA_HOST_DEVICE float operator()(float label, float x, float& slope) const {
    const float y = smoothed(label, smoothing);
    slope = stable_sigmoid(x) - y;
    return y * stable_softplus(-x) + (1.0F - y) * stable_softplus(x);
  }
};

struct BinaryEntropy {
  float smoothing;
  LAMINA_HOST_DEVICE float operator()(float label, float p, float& slope) const {
    const float y = smoothed(label, smoothing);
    const ClippedProbability q = clip_probability(p);
    slope = q.inside ? (1.0F - y) / (1.0F - q.value) - y / q.value : 0.0F;
    return -(y * std::log(q.value) + (1.0F - y) * std::log(1.0F - q.value));
  }
};

/// x^gamma and its derivative.
struct FocusPower {
  float value, slope;
};
[[nodiscard]] LAMINA_HOST_DEVICE inline FocusPower focus_power(float x, float gamma) {
  return {std::pow(x, gamma), gamma == 0 ? 0.0F : gamma * std::pow(x, gamma - 1.0F)};
}

struct BinaryFocalEntropy {
  bool balances, from_logits;
  float alpha, gamma, smoothing;
  LAMINA_HOST_DEVICE float operator()(float label, float x, float& slope) const {
    const float y = smoothed(label, smoothing);
    const float p = from_logits ? stable_sigmoid(x) : x;
    const ClippedProbability q = clip_probability(p);
    const float entropy = -(y * std::log(q.value) + (1.0F - y) * std::log(1.0F - q.value));
    const float entropy_slope = q.inside ? (1.0F - y) / (1.0F - q.value) - y / q.value : 0.0F;
    const FocusPower focus = focus_power(1.0F - (y * p + (1.0F - y) * (1.0F - p)), gamma);
    const float focus_slope = focus.slope * (1.0F - 2.0F * y);
    const float weight = balances ? y * alpha + (1.0F - y) * (1.0F - alpha) : 1.0F;
    slope = weight * (focus_slope * entropy + focus.value * entropy_slope);
    if (from_logits) slope *= p * (1.0F - p);
    return weight * focus.value * entropy;
  }
};

}  // namespace lamina::kernels
