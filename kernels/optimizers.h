// Bodies of the optimizers' steps, one element at a time, shared by the CPU and the CUDA kernels.
// T is float or double; narrower types are widened by the caller. `w` is the variable, `g` its
// gradient, s0, s1, s2 the slots in the order in which Keras creates them for one variable.
#pragma once
#include "kernels/elementwise.h"

namespace lamina::kernels {

/// What is done to a gradient before any optimizer sees it: unscaled, averaged with what has been
/// accumulated, and clipped by norm (multiplier and divisor) or by value.
template <class T>
struct GradientRule {
  T loss_scale, steps, multiplier, divisor, limit;
  LAMINA_HOST_DEVICE T operator()(T g, T accumulated) const {
    const T mean = (g / loss_scale + accumulated) / steps;
    const T scaled = mean * multiplier / divisor;
    return scaled < -limit ? -limit : (scaled > limit ? limit : scaled);
  }
};

/// Decoupled weight decay.
template <class T>
struct WeightDecay {
  T decay, learning_rate;
  LAMINA_HOST_DEVICE T operator()(T w) const { return w - w * decay * learning_rate; }
};

/// Exponential moving average of a variable; momentum is 0 at the first step.
template <class T>
struct MovingAverage {
  T momentum;
  LAMINA_HOST_DEVICE T operator()(T average, T w) const {
    return momentum * average + (T(1) - momentum) * w;
  }
};

template <class T>
struct SgdStep {
  static constexpr int kSlots = 0;
  T learning_rate;
  LAMINA_HOST_DEVICE void operator()(T g, T& w, T&, T&, T&) const { w -= g * learning_rate; }
};

/// s0: momentum
template <class T>
struct SgdMomentumStep {
  static constexpr int kSlots = 1;
  T learning_rate, momentum;
  bool nesterov;
  LAMINA_HOST_DEVICE void operator()(T g, T& w, T& s0, T&, T&) const {
    s0 = s0 * momentum - g * learning_rate;
    w += nesterov ? s0 * momentum - g * learning_rate : s0;
  }
};

/// s0: momentum, s1: velocity. `alpha` is the learning rate with both bias corrections.
template <class T>
struct AdamStep {
  static constexpr int kSlots = 2;
  T alpha, keep_1, keep_2, epsilon;  // keep: 1 - beta
  LAMINA_HOST_DEVICE void operator()(T g, T& w, T& s0, T& s1, T&) const {
    s0 += (g - s0) * keep_1;
    s1 += (g * g - s1) * keep_2;
    w -= s0 * alpha / (std::sqrt(s1) + epsilon);
  }
};

/// s0: momentum, s1: velocity, s2: the greatest velocity so far
template <class T>
struct AmsgradStep {
  static constexpr int kSlots = 3;
  T alpha, keep_1, keep_2, epsilon;
  LAMINA_HOST_DEVICE void operator()(T g, T& w, T& s0, T& s1, T& s2) const {
    s0 += (g - s0) * keep_1;
    s1 += (g * g - s1) * keep_2;
    s2 = s2 < s1 ? s1 : s2;
    w -= s0 * alpha / (std::sqrt(s2) + epsilon);
  }
};

/// s0: velocity; then, as far as they are used, momentum and average gradient
template <class T, bool kMomentum, bool kCentered>
struct RmspropStep {
  static constexpr int kSlots = 1 + kMomentum + kCentered;
  T learning_rate, rho, keep, momentum, epsilon;  // keep: 1 - rho
  LAMINA_HOST_DEVICE void operator()(T g, T& w, T& s0, T& s1, T& s2) const {
    s0 = rho * s0 + keep * (g * g);
    T variance = s0;
    if constexpr (kCentered) {
      T& average = kMomentum ? s2 : s1;
      average = rho * average + keep * g;
      variance -= average * average;
    }
    const T increment = learning_rate * g / std::sqrt(variance + epsilon);
    if constexpr (kMomentum) {
      s1 = momentum * s1 + increment;
      w -= s1;
    } else {
      w -= increment;
    }
  }
};

/// s0: accumulator
template <class T>
struct AdagradStep {
  static constexpr int kSlots = 1;
  T learning_rate, epsilon;
  LAMINA_HOST_DEVICE void operator()(T g, T& w, T& s0, T&, T&) const {
    s0 += g * g;
    w -= learning_rate * g / std::sqrt(s0 + epsilon);
  }
};

/// s0: momentum
template <class T>
struct LionStep {
  static constexpr int kSlots = 1;
  T learning_rate, beta_1, beta_2;
  LAMINA_HOST_DEVICE void operator()(T g, T& w, T& s0, T&, T&) const {
    const T direction = s0 * beta_1 + g * (T(1) - beta_1);
    // A direction that is not a number stays one, so that it shows.
    w -= learning_rate * (direction > T(0) ? T(1) : (direction < T(0) ? T(-1) : direction));
    s0 = s0 * beta_2 + g * (T(1) - beta_2);
  }
};

}  // namespace lamina::kernels
