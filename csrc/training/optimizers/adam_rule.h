#pragma once
#include <cmath>

#include "training/optimizers/update.h"

namespace lamina::training {

/// What Adam's step is made of but for the learning rate.
struct AdamNumbers {
  double beta_1, beta_2, epsilon;
};

/// Adam's functor of one update, kernels::AdamStep<T> or AmsgradStep<T>, with this learning rate.
template <class Functor, class T>
[[nodiscard]] Functor adam_rule(const AdamNumbers& numbers, const Update& update, T rate) {
  const T local_step = T(update.iteration + 1);
  const T power_1 = std::pow(T(numbers.beta_1), local_step);
  const T power_2 = std::pow(T(numbers.beta_2), local_step);
  const T alpha = rate * std::sqrt(T(1) - power_2) / (T(1) - power_1);
  return {alpha, T(1 - numbers.beta_1), T(1 - numbers.beta_2), T(numbers.epsilon)};
}

}  // namespace lamina::training
