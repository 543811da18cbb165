#pragma once
#include <lamina/constraints.h>
#include <lamina/initializers.h>
#include <lamina/layer.h>
#include <lamina/layers/types.h>
#include <lamina/regularizers.h>

#include <cstdint>
#include <optional>
#include <string>

namespace lamina::layers {

/// Either `shape`, which has no batch, or `batch_shape`, which has. kNone marks an unknown
/// dimension, as the batch is without `batch_size`.
struct InputOptions {
  OptionalShape shape = {};
  std::optional<std::int64_t> batch_size = {};  ///< with `shape` only
  std::string dtype = "float32";                ///< any of Keras's (see DType)
  OptionalShape batch_shape = {};
  std::string name = {};
};
/// A placeholder for an input of a model. Throws ValueError without a shape and with two, and for a
/// dtype that is none.
[[nodiscard]] SymbolicTensor Input(InputOptions options);
/// The layer behind `Input`, for Sequential. Throws likewise.
[[nodiscard]] LayerRef InputLayer(InputOptions options);

/// activation(x kernel + bias): (batch, ..., in) -> (batch, ..., units).
/// Variables: kernel (in, units), bias (units).
struct DenseOptions {
  std::int64_t units = 0;
  ActivationFunction activation = {};
  bool use_bias = true;
  Initializer kernel_initializer = "glorot_uniform";
  Initializer bias_initializer = "zeros";
  Regularizer kernel_regularizer = {};
  Regularizer bias_regularizer = {};
  Regularizer activity_regularizer = {};
  Constraint kernel_constraint = {};
  Constraint bias_constraint = {};
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef Dense(DenseOptions options);

/// The input times a kernel, summed as an einsum equation says: "abc,cd->abd" is Dense on three
/// axes; "abc,cde->abde" projects to heads; "...x,xy->...y" and "ab...,bc->ac..." leave axes open.
/// `output_shape`: without the batch and without what an ellipsis stands for, kNone where the input
/// tells. `bias_axes`: the letters of the output that the bias varies along; none: no bias. Each
/// operand names an axis once (UnsupportedError when the layer is built). Variables: kernel, with
/// the axes of the equation; bias (the output's axes from the first of `bias_axes` on, 1 where it
/// is repeated).
struct EinsumDenseOptions {
  std::string equation = {};
  Shape output_shape = {};
  ActivationFunction activation = {};
  std::string bias_axes = {};
  Initializer kernel_initializer = "glorot_uniform";
  Initializer bias_initializer = "zeros";
  Regularizer kernel_regularizer = {};
  Regularizer bias_regularizer = {};
  Regularizer activity_regularizer = {};
  Constraint kernel_constraint = {};
  Constraint bias_constraint = {};
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef EinsumDense(EinsumDenseOptions options);

/// Integers (batch, ...) -> (batch, ..., output_dim). Variables: embeddings (input_dim,
/// output_dim). Prediction throws ValueError for an index outside [0, input_dim). With `mask_zero`
/// index 0 stands for nothing: the output has a mask, (batch, ...), which is false there.
struct EmbeddingOptions {
  std::int64_t input_dim = 0;
  std::int64_t output_dim = 0;
  Initializer embeddings_initializer = "uniform";
  Regularizer embeddings_regularizer = {};
  Constraint embeddings_constraint = {};
  bool mask_zero = false;
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef Embedding(EmbeddingOptions options);

/// An Embedding that can also be called in reverse, `layer(x, {{"reverse", true}})`: (batch, ...,
/// output_dim) -> (batch, ..., input_dim), x embeddings^T or, unless `tie_weights`, x times a
/// matrix of its own; with `logit_soft_cap` c then c tanh(y / c). `reverse_dtype`: what that is
/// computed in, and gives; empty: the compute dtype or, where x is wider, which no policy casts,
/// x's. Variables: embeddings (input_dim, output_dim) and, untied, reverse_embeddings (output_dim,
/// input_dim), which has the initializer alone. Throws ValueError for a `reverse_dtype` that is no
/// float's.
struct ReversibleEmbeddingOptions {
  std::int64_t input_dim = 0;
  std::int64_t output_dim = 0;
  bool tie_weights = true;
  Initializer embeddings_initializer = "uniform";
  Regularizer embeddings_regularizer = {};
  Constraint embeddings_constraint = {};
  bool mask_zero = false;
  std::string reverse_dtype = {};
  std::optional<double> logit_soft_cap = {};
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef ReversibleEmbedding(ReversibleEmbeddingOptions options);

/// Leaves out of what follows the steps whose every feature is `mask_value`: the output, (batch,
/// ..., features) as the input, is 0 there and has a mask (batch, ...) that is false there.
struct MaskingOptions {
  double mask_value = 0;
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef Masking(MaskingOptions options = {});

/// The identity in prediction. In training drops elements with probability `rate` and scales the
/// others by 1 / (1 - rate); with `noise_shape` (kNone: as the input) one draw decides for all that
/// its axes of size 1 repeat.
struct DropoutOptions {
  double rate = -1;  ///< in [0, 1]; has to be given
  OptionalShape noise_shape = {};
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef Dropout(DropoutOptions options);

/// Dropout of whole channels: (batch, steps, channels), where one draw decides for all steps.
struct SpatialDropout1DOptions {
  double rate = -1;  ///< in [0, 1]; has to be given
  std::string name = {};
  std::string dtype = {};
};
[[nodiscard]] LayerRef SpatialDropout1D(SpatialDropout1DOptions options);

/// The same of images, (batch, height, width, channels) or with the channels first.
struct SpatialDropout2DOptions {
  double rate = -1;  ///< in [0, 1]; has to be given
  std::string data_format = "channels_last";
  std::string name = {};
  std::string dtype = {};
};
[[nodiscard]] LayerRef SpatialDropout2D(SpatialDropout2DOptions options);

/// Of volumes, (batch, depth, height, width, channels) or with the channels first.
struct SpatialDropout3DOptions {
  double rate = -1;  ///< in [0, 1]; has to be given
  std::string data_format = "channels_last";
  std::string name = {};
  std::string dtype = {};
};
[[nodiscard]] LayerRef SpatialDropout3D(SpatialDropout3DOptions options);

/// For networks of "selu" (Klambauer et al. 2017): the identity in prediction; in training elements
/// are set, with probability `rate`, to the value that selu tends to, and all then scaled and
/// shifted so that a mean of 0 and a variance of 1 stay. `noise_shape` is Dropout's. A rate of 1
/// throws ValueError in training.
struct AlphaDropoutOptions {
  double rate = -1;  ///< in [0, 1]; has to be given
  OptionalShape noise_shape = {};
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef AlphaDropout(AlphaDropoutOptions options);

/// The identity in prediction. In training adds numbers of a normal distribution around 0 with this
/// standard deviation.
struct GaussianNoiseOptions {
  double stddev = -1;  ///< in [0, 1]; has to be given
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef GaussianNoise(GaussianNoiseOptions options);

/// The identity in prediction. In training multiplies by numbers of a normal distribution around 1
/// with the standard deviation sqrt(rate / (1 - rate)). A rate of 1 throws ValueError in training.
struct GaussianDropoutOptions {
  double rate = -1;  ///< in [0, 1]; has to be given
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef GaussianDropout(GaussianDropoutOptions options);

/// The identity, which adds l1 * sum(|x|) + l2 * sum(x^2) to the loss, divided by the number of
/// samples in the batch.
struct ActivityRegularizationOptions {
  double l1 = 0;
  double l2 = 0;
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef ActivityRegularization(ActivityRegularizationOptions options = {});

/// The identity, of one tensor.
struct IdentityOptions {
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef Identity(IdentityOptions options = {});

}  // namespace lamina::layers
