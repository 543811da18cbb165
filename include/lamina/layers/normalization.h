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

/// scale * x / sqrt(mean of x^2 over `axis` + epsilon), computed in float32 at least. Variables:
/// scale, with the sizes of the axes in the order of the sorted option. As in Keras it multiplies
/// the last axes, whatever `axis` is: ValueError when the layer is lowered where it does not fit.
/// Masks end here.
struct RMSNormalizationOptions {
  Axes axis = -1;
  double epsilon = 1e-6;
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef RMSNormalization(RMSNormalizationOptions options = {});

/// Normalises each sample's groups of channels, `groups` of equal size along `axis`, with all
/// places of these: gamma * (x - mean) / sqrt(variance + epsilon) + beta, computed in float32 at
/// least. `groups` -1: as many as channels (instance normalisation); 1: all of the sample.
/// Variables, each of the size of `axis`: gamma (if scale), beta (if center). ValueError when the
/// groups do not divide the channels; UnsupportedError for the batch as `axis`.
struct GroupNormalizationOptions {
  std::int64_t groups = 32;
  std::int64_t axis = -1;
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
[[nodiscard]] LayerRef GroupNormalization(GroupNormalizationOptions options = {});

/// x divided by its length (the root of the sum of its squares) along `axis`, one or several, or by
/// 1e-12 where that is larger.
struct UnitNormalizationOptions {
  Axes axis = -1;
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef UnitNormalization(UnitNormalizationOptions options = {});

/// A layer whose kernel (of Embedding: embeddings) is divided by its spectral norm in training, as
/// Keras on JAX does: the gradient is that of the quotient, the kernel itself stays as the
/// optimizer leaves it, and predicts. The norm is estimated by `power_iterations`, which go on from
/// step to step. Gives the inputs' dtype. Variables: the layer's kernel (in weights files here as
/// well as in the layer), vector_u (1, the kernel's last axis), not trainable; then the layer's
/// others. Throws ValueError without a layer and for fewer than one iteration; when it is built,
/// for a layer without a kernel.
struct SpectralNormalizationOptions {
  LayerPtr layer = nullptr;
  std::int64_t power_iterations = 1;
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef SpectralNormalization(SpectralNormalizationOptions options);

}  // namespace lamina::layers
