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

// Convolutions. `padding`: "valid" or "same" (Conv1D: also "causal"); `data_format`:
// "channels_last" (batch, rows, cols, channels) or "channels_first" (batch, channels, rows, cols),
// before which 3D layers have a depth.
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

/// (batch, depth, rows, cols, in) -> (batch, depth', rows', cols', filters).
/// Variables: kernel (depth, rows, cols, in / groups, filters), bias (filters).
/// Computed over depth and rows, from a copy of the input that has it once for each of the kernel's
/// columns, divided by their stride.
struct Conv3DOptions {
  std::int64_t filters = 0;
  IntTriple kernel_size = 0;
  IntTriple strides = 1;
  std::string padding = "valid";
  std::string data_format = "channels_last";
  IntTriple dilation_rate = 1;
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
[[nodiscard]] LayerRef Conv3D(Conv3DOptions options);

/// (batch, steps, in) -> (batch, steps', in * depth_multiplier).
/// Variables: kernel (kernel_size, in, depth_multiplier), bias (in * depth_multiplier).
struct DepthwiseConv1DOptions {
  std::int64_t kernel_size = 0;
  std::int64_t strides = 1;
  std::string padding = "valid";
  std::int64_t depth_multiplier = 1;
  std::string data_format = "channels_last";
  std::int64_t dilation_rate = 1;
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
[[nodiscard]] LayerRef DepthwiseConv1D(DepthwiseConv1DOptions options);

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

/// A depthwise convolution, then a pointwise one: (batch, steps, in) -> (batch, steps', filters).
/// Variables: depthwise_kernel (kernel_size, in, depth_multiplier), pointwise_kernel
/// (1, in * depth_multiplier, filters), bias (filters).
struct SeparableConv1DOptions {
  std::int64_t filters = 0;
  std::int64_t kernel_size = 0;
  std::int64_t strides = 1;
  std::string padding = "valid";
  std::string data_format = "channels_last";
  std::int64_t dilation_rate = 1;
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
[[nodiscard]] LayerRef SeparableConv1D(SeparableConv1DOptions options);

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

/// (batch, steps, in) -> (batch, steps', filters), steps' as the rows' of Conv2DTranspose.
/// Variables: kernel (kernel_size, filters, in), bias (filters).
struct Conv1DTransposeOptions {
  std::int64_t filters = 0;
  std::int64_t kernel_size = 0;
  std::int64_t strides = 1;
  std::string padding = "valid";
  std::optional<std::int64_t> output_padding = {};
  std::string data_format = "channels_last";
  std::int64_t dilation_rate = 1;
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
[[nodiscard]] LayerRef Conv1DTranspose(Conv1DTransposeOptions options);

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

/// (batch, depth, rows, cols, in) -> (batch, depth', rows', cols', filters), each as the rows of
/// Conv2DTranspose. Variables: kernel (depth, rows, cols, filters, in), bias (filters).
struct Conv3DTransposeOptions {
  std::int64_t filters = 0;
  IntTriple kernel_size = 0;
  IntTriple strides = 1;
  std::string padding = "valid";
  std::optional<IntTriple> output_padding = {};
  std::string data_format = "channels_last";
  IntTriple dilation_rate = 1;
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
[[nodiscard]] LayerRef Conv3DTranspose(Conv3DTransposeOptions options);

}  // namespace lamina::layers
