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

/// s0: momentum, s1: the size of the greatest gradient, which decays. `keep` is 1 - beta_1.
template <class T>
struct AdamaxStep {
  static constexpr int kSlots = 2;
  T learning_rate, correction, keep, beta_2, epsilon;  // correction: 1 - beta_1^t
  LAMINA_HOST_DEVICE void operator()(T g, T& w, T& s0, T& s1, T&) const {
    s0 += (g - s0) * keep;
    const T decayed = beta_2 * s1, size = g < T(0) ? -g : g;
    s1 = decayed < size || size != size ? size : decayed;  // NaN where one of them is
    w -= learning_rate * s0 / (correction * (s1 + epsilon));
  }
};

/// s0: momentum, s1: velocity
template <class T>
struct NadamStep {
  static constexpr int kSlots = 2;
  T learning_rate, of_momentum, of_gradient;  // what the look ahead takes of each
  T keep_1, keep_2, correction, epsilon;      // keep: 1 - beta, correction: 1 - beta_2^t
  LAMINA_HOST_DEVICE void operator()(T g, T& w, T& s0, T& s1, T&) const {
    s0 += (g - s0) * keep_1;
    s1 += (g * g - s1) * keep_2;
    const T ahead = of_momentum * s0 + of_gradient * g;
    w -= ahead * learning_rate / (std::sqrt(s1 / correction) + epsilon);
  }
};

/// s0: means of squares of gradients, s1: of changes
template <class T>
struct AdadeltaStep {
  static constexpr int kSlots = 2;
  T learning_rate, rho, keep, epsilon;  // keep: 1 - rho
  LAMINA_HOST_DEVICE void operator()(T g, T& w, T& s0, T& s1, T&) const {
    s0 = rho * s0 + keep * (g * g);
    const T change = -(std::sqrt(s1 + epsilon) * g / std::sqrt(s0 + epsilon));
    s1 = rho * s1 + keep * (change * change);
    w += learning_rate * change;
  }
};

/// s0: accumulator, s1: linear. kRoot: `power` is 1/2, as Keras's default has it.
template <class T, bool kRoot>
struct FtrlStep {
  static constexpr int kSlots = 2;
  T learning_rate, power, l1, l2, shrinkage;  // power: minus the learning_rate_power
  LAMINA_HOST_DEVICE void operator()(T g, T& w, T& s0, T& s1, T&) const {
    const T before = powered(s0);
    s0 += g * g;
    const T now = powered(s0);
    s1 += g + T(2) * shrinkage * w - (now - before) / learning_rate * w;
    const T clipped = s1 < -l1 ? -l1 : (s1 > l1 ? l1 : s1);
    w = (clipped - s1) / (now / learning_rate + T(2) * l2);
  }

 private:
  [[nodiscard]] LAMINA_HOST_DEVICE T powered(T x) const {
    if constexpr (kRoot) {
      return std::sqrt(x);
    } else {
      return std::pow(x, power);
    }
  }
};

/// s0: momentum, s1: velocity. `ratio` is that of norms, for each array its own (see rule_for).
template <class T>
struct LambStep {
  static constexpr int kSlots = 2;
  T learning_rate, keep_1, keep_2, correction_1, correction_2;  // correction: 1 - beta^t
  T epsilon, ratio;
  /// What the norm is taken of, and the step goes along.
  LAMINA_HOST_DEVICE T direction(T g, T& s0, T& s1) const {
    s0 += (g - s0) * keep_1;
    s1 += (g * g - s1) * keep_2;
    return s0 / correction_1 / (std::sqrt(s1 / correction_2) + epsilon);
  }
  LAMINA_HOST_DEVICE void operator()(T g, T& w, T& s0, T& s1, T&) const {
    w -= ratio * learning_rate * direction(g, s0, s1);
  }
};

/// s0: what gradients move, s1: velocity. The weight lies between s0 and the mean of all s0.
template <class T>
struct ScheduleFreeAdamWStep {
  static constexpr int kSlots = 2;
  T learning_rate, beta_1, keep_2, correction_2, epsilon, share;  // share: 1 / t
  LAMINA_HOST_DEVICE void operator()(T g, T& w, T& s0, T& s1, T&) const {
    const T mean = (w - (T(1) - beta_1) * s0) / beta_1;
    s1 += (g * g - s1) * keep_2;
    s0 -= learning_rate * g / (std::sqrt(s1 / correction_2) + epsilon);
    w = (T(1) - beta_1) * s0 + beta_1 * ((T(1) - share) * mean + share * s0);
  }
};

}  // namespace lamina::kernels
