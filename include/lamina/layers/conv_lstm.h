#pragma once
#include <lamina/constraints.h>
#include <lamina/initializers.h>
#include <lamina/layer.h>
#include <lamina/layers/types.h>
#include <lamina/regularizers.h>

#include <cstdint>
#include <string>

/// Layers that go through sequences of images; recurrent.h says what they have in common with
/// others that go through sequences.
namespace lamina::layers {

/// LSTMs of images, whose products are convolutions: with x the image of a step,
///
///     i, f, g, o = parts of conv(x, kernel) + bias + conv(output, recurrent_kernel)
///
/// in this order, and the rest as LSTM has it. What recurrent.h says of sequences, states and masks
/// holds of images in the place of features: (batch, time, rows, in) -> (batch, rows', filters) or
/// (batch, time, rows', filters), states (batch, rows', filters); with `data_format`
/// "channels_first" (batch, time, in, rows) and so on. `strides`, `padding` ("valid" or "same") and
/// `dilation_rate` are of the first convolution, as Conv1D has them; the second one keeps the size.
/// `dropout` and `recurrent_dropout` each have draws of their own for each gate, and are none
/// where they are 1. The sizes of images have to be known when the layer is built, and are those of
/// all that follow (ValueError).
///
/// Variables: those of `cell` ("conv_lstm1d/conv_lstm_cell/kernel"): kernel (kernel_size, in, 4
/// filters), recurrent_kernel (kernel_size, filters, 4 filters), bias (4 filters).
struct ConvLSTM1DOptions {
  std::int64_t filters = 0;
  std::int64_t kernel_size = 0;
  std::int64_t strides = 1;
  std::string padding = "valid";
  std::string data_format = "channels_last";
  std::int64_t dilation_rate = 1;
  ActivationFunction activation = "tanh";
  ActivationFunction recurrent_activation = "sigmoid";
  bool use_bias = true;
  Initializer kernel_initializer = "glorot_uniform";
  Initializer recurrent_initializer = "orthogonal";
  Initializer bias_initializer = "zeros";
  bool unit_forget_bias = true;
  Regularizer kernel_regularizer = {};
  Regularizer recurrent_regularizer = {};
  Regularizer bias_regularizer = {};
  Regularizer activity_regularizer = {};
  Constraint kernel_constraint = {};
  Constraint recurrent_constraint = {};
  Constraint bias_constraint = {};
  double dropout = 0;
  double recurrent_dropout = 0;
  bool return_sequences = false;
  bool return_state = false;
  bool go_backwards = false;
  bool stateful = false;
  bool unroll = false;
  bool zero_output_for_mask = false;
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef ConvLSTM1D(ConvLSTM1DOptions options);

/// The same of (batch, time, rows, cols, in). Kernels (rows, cols, in, 4 filters) and (rows, cols,
/// filters, 4 filters).
struct ConvLSTM2DOptions {
  std::int64_t filters = 0;
  IntPair kernel_size = 0;
  IntPair strides = 1;
  std::string padding = "valid";
  std::string data_format = "channels_last";
  IntPair dilation_rate = 1;
  ActivationFunction activation = "tanh";
  ActivationFunction recurrent_activation = "sigmoid";
  bool use_bias = true;
  Initializer kernel_initializer = "glorot_uniform";
  Initializer recurrent_initializer = "orthogonal";
  Initializer bias_initializer = "zeros";
  bool unit_forget_bias = true;
  Regularizer kernel_regularizer = {};
  Regularizer recurrent_regularizer = {};
  Regularizer bias_regularizer = {};
  Regularizer activity_regularizer = {};
  Constraint kernel_constraint = {};
  Constraint recurrent_constraint = {};
  Constraint bias_constraint = {};
  double dropout = 0;
  double recurrent_dropout = 0;
  bool return_sequences = false;
  bool return_state = false;
  bool go_backwards = false;
  bool stateful = false;
  bool unroll = false;
  bool zero_output_for_mask = false;
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef ConvLSTM2D(ConvLSTM2DOptions options);

/// The same of volumes, (batch, time, depth, rows, cols, in). Kernels (depth, rows, cols, in, 4
/// filters) and (depth, rows, cols, filters, 4 filters).
struct ConvLSTM3DOptions {
  std::int64_t filters = 0;
  IntTriple kernel_size = 0;
  IntTriple strides = 1;
  std::string padding = "valid";
  std::string data_format = "channels_last";
  IntTriple dilation_rate = 1;
  ActivationFunction activation = "tanh";
  ActivationFunction recurrent_activation = "sigmoid";
  bool use_bias = true;
  Initializer kernel_initializer = "glorot_uniform";
  Initializer recurrent_initializer = "orthogonal";
  Initializer bias_initializer = "zeros";
  bool unit_forget_bias = true;
  Regularizer kernel_regularizer = {};
  Regularizer recurrent_regularizer = {};
  Regularizer bias_regularizer = {};
  Regularizer activity_regularizer = {};
  Constraint kernel_constraint = {};
  Constraint recurrent_constraint = {};
  Constraint bias_constraint = {};
  double dropout = 0;
  double recurrent_dropout = 0;
  bool return_sequences = false;
  bool return_state = false;
  bool go_backwards = false;
  bool stateful = false;
  bool unroll = false;
  bool zero_output_for_mask = false;
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef ConvLSTM3D(ConvLSTM3DOptions options);

}  // namespace lamina::layers
