#pragma once
#include <lamina/constraints.h>
#include <lamina/initializers.h>
#include <lamina/layer.h>
#include <lamina/layers/types.h>
#include <lamina/regularizers.h>

#include <cstdint>
#include <string>

/// Layers that go through a sequence step by step. What SimpleRNN, LSTM and GRU have in common:
///
/// Sequences (batch, time, features) -> the last step's output (batch, units) or, with
/// `return_sequences`, all of them (batch, time, units). `return_state` gives the states behind the
/// last step as well, each (batch, units): one, or of LSTM the output and the carry; `Layer::apply`
/// has all outputs. States are zero in front of the first step, or are given as further inputs,
/// which is Keras's argument `initial_state`:
///
///     auto encoded = layers::LSTM({.units = 8, .return_state = true})->apply({x});
///     auto y = layers::LSTM({.units = 8, .return_sequences = true})({z, encoded[1], encoded[2]});
///
/// `go_backwards`: from the last step to the first, and outputs in that order. `dropout` and
/// `recurrent_dropout`, cut to [0, 1], drop in training what the kernel and what the recurrent
/// kernel is multiplied by, at all steps of a batch the same; with `recurrent_dropout` each gate
/// has its own draws. `unroll` changes nothing but that, as in Keras, the number of steps has to be
/// known when the layer is applied: plans are always unrolled, so the time to make one and its
/// memory grow with the steps, to seconds for the training of some hundred. `stateful` throws
/// UnsupportedError.
///
/// Steps where the mask (batch, time) is false leave the states as they are and give the output of
/// the step before or, with `zero_output_for_mask`, zeros. It is the mask that the sequence carries
/// or, where initial states are given too, as in Keras only one that is given by name:
/// `lstm({z, h, c}, {{"mask", m}})`. Sequences that are returned carry it on, states do not.
///
/// Variables are those of the sublayer `cell` ("lstm/lstm_cell/kernel"): kernel (features, gates *
/// units), recurrent_kernel (units, gates * units), and with `use_bias` bias. The options are
/// Keras's in name, order and defaults.
namespace lamina::layers {

/// output = activation(x kernel + bias + output recurrent_kernel), of the step before on the right.
/// Bias (units). Keras ignores the `activity_regularizer` of this layer; here it counts as any
/// other's.
struct SimpleRNNOptions {
  std::int64_t units = 0;
  ActivationFunction activation = "tanh";
  bool use_bias = true;
  Initializer kernel_initializer = "glorot_uniform";
  Initializer recurrent_initializer = "orthogonal";
  Initializer bias_initializer = "zeros";
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
[[nodiscard]] LayerRef SimpleRNN(SimpleRNNOptions options);

/// Long short-term memory (Hochreiter 1997). With i, f, g, o the four parts, in this order, of
/// x kernel + bias + output recurrent_kernel, and s the `recurrent_activation`:
///
///     carry = s(f) carry + s(i) activation(g);  output = s(o) activation(carry)
///
/// Bias (4 units), which `unit_forget_bias` begins with ones for f.
struct LSTMOptions {
  std::int64_t units = 0;
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
[[nodiscard]] LayerRef LSTM(LSTMOptions options);

/// Gated recurrent unit (Cho et al. 2014). With z, r, h the three parts, in this order, of
/// x kernel + bias, U_z, U_r, U_h those of the recurrent kernel, and s the `recurrent_activation`:
///
///     z = s(z + output U_z);  r = s(r + output U_r);  output = z output + (1 - z) activation(c)
///
/// where c is h + r (output U_h + its bias) or, without `reset_after`, h + (r output) U_h. Bias
/// (2, 3 units), of the kernel and of the recurrent kernel; without `reset_after` (3 units).
struct GRUOptions {
  std::int64_t units = 0;
  ActivationFunction activation = "tanh";
  ActivationFunction recurrent_activation = "sigmoid";
  bool use_bias = true;
  Initializer kernel_initializer = "glorot_uniform";
  Initializer recurrent_initializer = "orthogonal";
  Initializer bias_initializer = "zeros";
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
  bool reset_after = true;
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef GRU(GRUOptions options);

/// A SimpleRNN, LSTM or GRU, once from the first step to the last and once back:
///
///     auto y = layers::Bidirectional({.layer = layers::LSTM({.units = 8})})(x);
///
/// `merge_mode`: "concat" (along the features), "sum", "ave", "mul", or empty, which is Keras's
/// None: both outputs, one after the other. Sequences of the way back are turned round first. The
/// states of `return_state` follow, those of the way there first; so do initial states, as further
/// inputs. What is masked is zeros in sequences of either way, whatever the layers were made with.
///
/// Sublayers, as Keras has them: forward_layer, made anew from the configuration of `layer` under
/// the name "forward_<name>", and backward_layer, which is the one given or made likewise.
/// Variables: theirs ("bidirectional/forward_lstm/lstm_cell/kernel"). The factory throws ValueError
/// for another merge mode and for layers that do not go together, UnsupportedError for a layer that
/// is none of the three and for one that no configuration holds.
struct BidirectionalOptions {
  LayerPtr layer = nullptr;
  std::string merge_mode = "concat";
  LayerPtr backward_layer = nullptr;
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef Bidirectional(BidirectionalOptions options);

}  // namespace lamina::layers
