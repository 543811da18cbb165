#pragma once
#include <lamina/axes.h>
#include <lamina/constraints.h>
#include <lamina/initializers.h>
#include <lamina/layer.h>
#include <lamina/regularizers.h>

#include <cstdint>
#include <initializer_list>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

/// Keras's layers. Each has an options struct with Keras's argument names, order and defaults, to
/// be filled with designated initialisers, and a factory of the class's name:
///
///     auto x = layers::Input({.shape = {480, 480, 3}});
///     auto y = layers::Conv2D({.filters = 32, .kernel_size = 3, .strides = {2, 2}, .padding =
///     "same",
///                              .activation = "silu", .name = "stem"})(x);
///
/// The factories throw ValueError for options that Keras refuses, in its words and naming the
/// layer. Applying a layer throws ValueError when the inputs' ranks or sizes do not suit it. Shapes
/// below include the batch. Any layer may have an activity regularizer
/// (Layer::set_activity_regularizer); those that name it in Keras have it as an option. Seeds of
/// dropout are ignored.
namespace lamina::layers {

/// One integer for both spatial axes, or {height, width}.
struct IntPair {
  std::int64_t first = 1, second = 1;
  IntPair() = default;
  IntPair(std::int64_t both) : first(both), second(both) {}  // NOLINT: implicit on purpose
  IntPair(std::int64_t height, std::int64_t width) : first(height), second(width) {}
  friend bool operator==(const IntPair&, const IntPair&) = default;
};

/// Padding of height and width: one integer, {height, width}, or {{top, bottom}, {left, right}}.
struct Padding2D {
  IntPair height = 1, width = 1;
  Padding2D() = default;
  Padding2D(std::int64_t all) : height(all), width(all) {}  // NOLINT: implicit on purpose
  Padding2D(IntPair height_padding, IntPair width_padding)
      : height(height_padding), width(width_padding) {}
};

/// An activation: one of Keras's names ("linear", "relu", "relu6", "leaky_relu", "elu", "selu",
/// "silu" or "swish", "gelu" (exact), "sigmoid", "hard_sigmoid", "hard_silu" or "hard_swish",
/// "tanh", "softplus", "softsign", "exponential", "mish", "softmax", "log_softmax"), or one with
/// parameters. An empty name is "linear". An unknown name throws ValueError when a layer is made
/// with it.
struct ActivationFunction {
  ActivationFunction() = default;
  ActivationFunction(const char* keras_name) : name(keras_name) {}             // NOLINT: implicit
  ActivationFunction(std::string keras_name) : name(std::move(keras_name)) {}  // NOLINT

  static ActivationFunction relu(double negative_slope,
                                 double max_value = std::numeric_limits<double>::infinity(),
                                 double threshold = 0);
  static ActivationFunction leaky_relu(double negative_slope);
  static ActivationFunction elu(double alpha);
  static ActivationFunction gelu(bool approximate);
  static ActivationFunction softmax(Axes axis);

  std::string name;
  std::vector<double> parameters;  ///< as the factories above set them; empty: Keras's defaults
};

/// A shape that may be left out: `{28, 28, 1}` or a Shape. `{}` is "not given"; `Shape{}` is a
/// scalar's.
struct OptionalShape {
  OptionalShape() = default;
  OptionalShape(Shape shape) : value(std::move(shape)) {}  // NOLINT: implicit
  OptionalShape(std::initializer_list<std::int64_t> dims) : value(Shape(dims)) {}  // NOLINT
  std::optional<Shape> value;
};

/// Options of InputLayer. `shape` has no batch; `batch_shape` has, and replaces it. kNone marks an
/// unknown dimension.
struct InputOptions {
  OptionalShape shape = {};
  std::optional<std::int64_t> batch_size = {};
  OptionalShape batch_shape = {};
  std::string dtype = "float32";
  std::string name = {};
};
/// A placeholder for an input of a model.
[[nodiscard]] SymbolicTensor Input(InputOptions options);
/// The layer behind `Input`, for Sequential.
[[nodiscard]] LayerRef InputLayer(InputOptions options);

/// (batch, ..., in) -> (batch, ..., units).
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

/// Integers (batch, ...) -> (batch, ..., output_dim). Variables: embeddings (input_dim,
/// output_dim). Prediction throws ValueError for an index outside [0, input_dim). There are no
/// masks: the factory throws UnsupportedError for `mask_zero`.
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

// Convolutions. `padding`: "valid" or "same" (Conv1D: also "causal"); `data_format`:
// "channels_last" (batch, rows, cols, channels) or "channels_first" (batch, channels, rows, cols).
// Kernels do not depend on the data format.

/// (batch, steps, in) -> (batch, steps', filters).
/// Variables: kernel (kernel_size, in / groups, filters), bias (filters).
struct Conv1DOptions {
  std::int64_t filters = 0;
  std::int64_t kernel_size = 0;
  std::int64_t strides = 1;
  std::string padding = "valid";
  std::string data_format = "channels_last";
  std::int64_t dilation_rate = 1;
  std::int64_t groups = 1;
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
[[nodiscard]] LayerRef Conv1D(Conv1DOptions options);

/// (batch, rows, cols, in) -> (batch, rows', cols', filters).
/// Variables: kernel (rows, cols, in / groups, filters), bias (filters).
struct Conv2DOptions {
  std::int64_t filters = 0;
  IntPair kernel_size = 0;
  IntPair strides = 1;
  std::string padding = "valid";
  std::string data_format = "channels_last";
  IntPair dilation_rate = 1;
  std::int64_t groups = 1;
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
[[nodiscard]] LayerRef Conv2D(Conv2DOptions options);

/// (batch, rows, cols, in) -> (batch, rows', cols', in * depth_multiplier).
/// Variables: kernel (rows, cols, in, depth_multiplier), bias (in * depth_multiplier).
struct DepthwiseConv2DOptions {
  IntPair kernel_size = 0;
  IntPair strides = 1;
  std::string padding = "valid";
  std::int64_t depth_multiplier = 1;
  std::string data_format = "channels_last";
  IntPair dilation_rate = 1;
  ActivationFunction activation = {};
  bool use_bias = true;
  Initializer depthwise_initializer = "glorot_uniform";
  Initializer bias_initializer = "zeros";
  Regularizer depthwise_regularizer = {};
  Regularizer bias_regularizer = {};
  Regularizer activity_regularizer = {};
  Constraint depthwise_constraint = {};
  Constraint bias_constraint = {};
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef DepthwiseConv2D(DepthwiseConv2DOptions options);

/// A depthwise convolution, then a pointwise one: (batch, rows, cols, in) -> (batch, rows', cols',
/// filters). Variables: depthwise_kernel (rows, cols, in, depth_multiplier), pointwise_kernel
/// (1, 1, in * depth_multiplier, filters), bias (filters).
struct SeparableConv2DOptions {
  std::int64_t filters = 0;
  IntPair kernel_size = 0;
  IntPair strides = 1;
  std::string padding = "valid";
  std::string data_format = "channels_last";
  IntPair dilation_rate = 1;
  std::int64_t depth_multiplier = 1;
  ActivationFunction activation = {};
  bool use_bias = true;
  Initializer depthwise_initializer = "glorot_uniform";
  Initializer pointwise_initializer = "glorot_uniform";
  Initializer bias_initializer = "zeros";
  Regularizer depthwise_regularizer = {};
  Regularizer pointwise_regularizer = {};
  Regularizer bias_regularizer = {};
  Regularizer activity_regularizer = {};
  Constraint depthwise_constraint = {};
  Constraint pointwise_constraint = {};
  Constraint bias_constraint = {};
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef SeparableConv2D(SeparableConv2DOptions options);

/// (batch, rows, cols, in) -> (batch, rows', cols', filters); rows' = rows * stride for "same",
/// (rows - 1) * stride + max(kernel, stride) for "valid", unless `output_padding` is given.
/// Variables: kernel (rows, cols, filters, in), bias (filters).
struct Conv2DTransposeOptions {
  std::int64_t filters = 0;
  IntPair kernel_size = 0;
  IntPair strides = 1;
  std::string padding = "valid";
  std::optional<IntPair> output_padding = {};
  std::string data_format = "channels_last";
  IntPair dilation_rate = 1;
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
[[nodiscard]] LayerRef Conv2DTranspose(Conv2DTransposeOptions options);

/// gamma * (x - mean) / sqrt(variance + epsilon) + beta at each place of `axis`; any rank, any
/// `axis`. In prediction, and in training while the layer is frozen, mean and variance are the
/// moving ones. Else they are those of the batch over all other axes, the variance divided by the
/// number of elements (not by one less), and after each batch that trained
///
///     moving = momentum * moving + (1 - momentum) * batch
///
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

// Activations: any shape, unchanged.

struct ActivationOptions {
  ActivationFunction activation = {};
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef Activation(ActivationOptions options);

/// max(x, 0), with a slope below `threshold` and a bound.
struct ReLUOptions {
  std::optional<double> max_value = {};
  double negative_slope = 0.0;
  double threshold = 0.0;
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef ReLU(ReLUOptions options = {});

struct LeakyReLUOptions {
  double negative_slope = 0.3;
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef LeakyReLU(LeakyReLUOptions options = {});

/// Variables: alpha, the input's shape without the batch, 1 along `shared_axes` (which count from
/// 1).
struct PReLUOptions {
  Initializer alpha_initializer = "zeros";
  Regularizer alpha_regularizer = {};
  Constraint alpha_constraint = {};
  Axes shared_axes = {};
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef PReLU(PReLUOptions options = {});

struct ELUOptions {
  double alpha = 1.0;
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef ELU(ELUOptions options = {});

/// Softmax over `axis`; over several axes jointly.
struct SoftmaxOptions {
  Axes axis = -1;
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef Softmax(SoftmaxOptions options = {});

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

// Pooling: (batch, rows, cols, channels) -> (batch, rows', cols', channels). `strides` default to
// `pool_size`. Averages leave padding out of the count.

struct MaxPooling2DOptions {
  IntPair pool_size = 2;
  std::optional<IntPair> strides = {};
  std::string padding = "valid";
  std::string data_format = "channels_last";
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef MaxPooling2D(MaxPooling2DOptions options = {});

struct AveragePooling2DOptions {
  IntPair pool_size = 0;
  std::optional<IntPair> strides = {};
  std::string padding = "valid";
  std::string data_format = "channels_last";
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef AveragePooling2D(AveragePooling2DOptions options);

/// (batch, steps, channels) -> (batch, steps', channels).
struct MaxPooling1DOptions {
  std::int64_t pool_size = 2;
  std::optional<std::int64_t> strides = {};
  std::string padding = "valid";
  std::string data_format = "channels_last";
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef MaxPooling1D(MaxPooling1DOptions options = {});

struct AveragePooling1DOptions {
  std::int64_t pool_size = 0;
  std::optional<std::int64_t> strides = {};
  std::string padding = "valid";
  std::string data_format = "channels_last";
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef AveragePooling1D(AveragePooling1DOptions options);

// Global pooling: (batch, ..., channels) -> (batch, channels), or with `keepdims` the pooled axes
// stay with size 1.

struct GlobalAveragePooling1DOptions {
  std::string data_format = "channels_last";
  bool keepdims = false;
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef GlobalAveragePooling1D(GlobalAveragePooling1DOptions options = {});

struct GlobalMaxPooling1DOptions {
  std::string data_format = "channels_last";
  bool keepdims = false;
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef GlobalMaxPooling1D(GlobalMaxPooling1DOptions options = {});

struct GlobalAveragePooling2DOptions {
  std::string data_format = "channels_last";
  bool keepdims = false;
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef GlobalAveragePooling2D(GlobalAveragePooling2DOptions options = {});

struct GlobalMaxPooling2DOptions {
  std::string data_format = "channels_last";
  bool keepdims = false;
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef GlobalMaxPooling2D(GlobalMaxPooling2DOptions options = {});

/// (batch, rows, cols, channels) -> (batch, top + rows + bottom, left + cols + right, channels).
struct ZeroPadding2DOptions {
  Padding2D padding = 1;
  std::string data_format = "channels_last";
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef ZeroPadding2D(ZeroPadding2DOptions options = {});

/// (batch, rows, cols, channels) -> (batch, rows * size, cols * size, channels). `interpolation`:
/// "nearest", "bilinear", "bicubic", "lanczos3" or "lanczos5".
struct UpSampling2DOptions {
  IntPair size = 2;
  std::string data_format = "channels_last";
  std::string interpolation = "nearest";
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef UpSampling2D(UpSampling2DOptions options = {});

/// (batch, ...) -> (batch, target_shape...); one -1 is inferred. The dtype does not change.
struct ReshapeOptions {
  Shape target_shape = {};
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef Reshape(ReshapeOptions options);

/// (batch, ...) -> (batch, product). Channels become innermost first for "channels_first".
struct FlattenOptions {
  std::string data_format = "channels_last";
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef Flatten(FlattenOptions options = {});

/// Output axis i is input axis dims[i - 1]; both count from 1, the batch stays.
struct PermuteOptions {
  std::vector<std::int64_t> dims = {};
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef Permute(PermuteOptions options);

// Merging: applied to a list of tensors that broadcast against each other (lower ranks gain axes of
// size 1 after the batch).

struct MergeOptions {
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef Add(MergeOptions options = {});
/// Exactly two inputs.
[[nodiscard]] LayerRef Subtract(MergeOptions options = {});
[[nodiscard]] LayerRef Multiply(MergeOptions options = {});
[[nodiscard]] LayerRef Average(MergeOptions options = {});
[[nodiscard]] LayerRef Maximum(MergeOptions options = {});
[[nodiscard]] LayerRef Minimum(MergeOptions options = {});

/// Equal shapes but for `axis`, along which the inputs are laid one after another.
struct ConcatenateOptions {
  std::int64_t axis = -1;
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef Concatenate(ConcatenateOptions options = {});

/// x * scale + offset; arrays broadcast against the last axes.
struct RescalingOptions {
  ArrayLike scale = {};
  ArrayLike offset = 0.0;
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef Rescaling(RescalingOptions options);

/// (x - mean) / sqrt(variance) along the kept `axis` (none: one mean for everything), or with
/// `invert` back. Without `mean` and `variance`, variables: mean, variance (sizes of the kept
/// axes), count () int32; none of them trainable.
struct NormalizationOptions {
  Axes axis = -1;
  ArrayLike mean = {};
  ArrayLike variance = {};
  bool invert = false;
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef Normalization(NormalizationOptions options = {});

}  // namespace lamina::layers
