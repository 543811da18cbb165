#pragma once
#include <lamina/axes.h>
#include <lamina/constraints.h>
#include <lamina/initializers.h>
#include <lamina/layer.h>
#include <lamina/regularizers.h>

#include <cstdint>
#include <string>

namespace lamina::layers {

/// gamma * (x - mean) / sqrt(variance + epsilon) + beta at each place of `axis`; any rank, any
/// `axis`. In prediction, and in training while the layer is frozen, mean and variance are the
/// moving ones. Else they are those of the batch over all other axes, the variance divided by the
/// number of elements (not by one less), and after each batch that trained
///
///     moving = momentum * moving + (1 - momentum) * batch
///
/// With a mask (an argument `mask` of its call, or what the input carries), which has the input's
/// axes but for the last, the batch's statistics are those of what it leaves.
/// Variables, each of the size of `axis`: gamma (if scale), beta (if center), moving_mean,
/// moving_variance (these two not trainable).
struct BatchNormalizationOptions {
  std::int64_t axis = -1;
  double momentum = 0.99;
  double epsilon = 1e-3;
  bool center = true;
  bool scale = true;
  Initializer beta_initializer = "zeros";
  Initializer gamma_initializer = "ones";
  Initializer moving_mean_initializer = "zeros";
  Initializer moving_variance_initializer = "ones";
  Regularizer beta_regularizer = {};
  Regularizer gamma_regularizer = {};
  Constraint beta_constraint = {};
  Constraint gamma_constraint = {};
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef BatchNormalization(BatchNormalizationOptions options = {});

/// Normalises over `axis` (one or several). Variables: gamma (if scale), beta (if center), with the
/// sizes of the axes.
struct LayerNormalizationOptions {
  Axes axis = -1;
  double epsilon = 1e-3;
  bool center = true;
  bool scale = true;
  Initializer beta_initializer = "zeros";
  Initializer gamma_initializer = "ones";
  Regularizer beta_regularizer = {};
  Regularizer gamma_regularizer = {};
  Constraint beta_constraint = {};
  Constraint gamma_constraint = {};
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef LayerNormalization(LayerNormalizationOptions options = {});

}  // namespace lamina::layers
