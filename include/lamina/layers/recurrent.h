#pragma once
#include <lamina/constraints.h>
#include <lamina/initializers.h>
#include <lamina/layer.h>
#include <lamina/layers/types.h>
#include <lamina/regularizers.h>

#include <cstdint>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

/// Layers that go through a sequence step by step. What RNN, SimpleRNN, LSTM, GRU and, of images,
/// ConvLSTM1D, ConvLSTM2D and ConvLSTM3D have in common:
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
/// memory grow with the steps, to seconds for the training of some hundred.
///
/// `stateful`: the states behind the last step of one batch are those in front of the first step of
/// the next, sample by sample, whatever runs them: `predict`, `evaluate`, `train_on_batch`, `fit`
/// (with `shuffle = false`, or there is nothing to go on with), whose batches of validation go on
/// with the same states, GradientTape. They begin as zeros, and `reset_state` has them be so again:
///
///     auto x = layers::Input({.batch_shape = Shape{8, 20, 3}});
///     auto model = Functional::create(x, layers::LSTM({.units = 4, .stateful = true})(x));
///     (void)model->predict(first);  // 8 sequences of 20 steps
///     (void)model->predict(next);   // their next 20
///     layers::reset_state(*model);
///
/// All batches are of the one size that the layer is built with, which has to be known then
/// (ValueError for any other). Initial states that are given take the place of what was carried;
/// gradients end at a batch's beginning. A layer that a model calls several times goes on from call
/// to call. States are no weights: weights files, `get_weights` and `clone_model` leave them out,
/// as Keras does; what a run of `fit` saves to be resumed from has them. They are variables, and as
/// little synchronised as any: two models that share such a layer, in two threads, do not predict
/// at once, and a run that failed may have carried them on by the batches before.
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

/// The cells that go one step, of the layers of their names; RNN has them go through sequences.
/// Applied themselves, to {x, states...}, they give {output, states...}: x (batch, features),
/// states and output (batch, units), of LSTMCell two states, the output and the carry.
///
///     auto next = layers::LSTMCell({.units = 8})->apply({x, h, c});
///
/// Options are as of the layers.
struct SimpleRNNCellOptions {
  std::int64_t units = 0;
  ActivationFunction activation = "tanh";
  bool use_bias = true;
  Initializer kernel_initializer = "glorot_uniform";
  Initializer recurrent_initializer = "orthogonal";
  Initializer bias_initializer = "zeros";
  Regularizer kernel_regularizer = {};
  Regularizer recurrent_regularizer = {};
  Regularizer bias_regularizer = {};
  Constraint kernel_constraint = {};
  Constraint recurrent_constraint = {};
  Constraint bias_constraint = {};
  double dropout = 0;
  double recurrent_dropout = 0;
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef SimpleRNNCell(SimpleRNNCellOptions options);

struct LSTMCellOptions {
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
  Constraint kernel_constraint = {};
  Constraint recurrent_constraint = {};
  Constraint bias_constraint = {};
  double dropout = 0;
  double recurrent_dropout = 0;
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef LSTMCell(LSTMCellOptions options);

struct GRUCellOptions {
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
  Constraint kernel_constraint = {};
  Constraint recurrent_constraint = {};
  Constraint bias_constraint = {};
  double dropout = 0;
  double recurrent_dropout = 0;
  bool reset_after = true;
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef GRUCell(GRUCellOptions options);

/// Cells of which each reads what the one before it gives, as one. Their states follow each other;
/// all compute in one dtype (UnsupportedError). Sublayers: cells, a list of those that are given
/// ("rnn/stacked_rnn_cells/lstm_cell/kernel"). The factory throws ValueError without a cell and for
/// what is none of the three.
struct StackedRNNCellsOptions {
  std::vector<LayerPtr> cells = {};
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef StackedRNNCells(StackedRNNCellsOptions options);

/// A cell, or several on top of each other, that goes through sequences as the layers above do:
///
///     auto y = layers::RNN({.cell = {layers::LSTMCell({.units = 8}), layers::GRUCell({.units =
///     4})},
///                           .return_sequences = true})(x);
///
/// `units` is that of the last cell, whose first state stands for the output where steps are
/// masked. States, given and returned, are those of all cells. Sublayer: cell, which is the one
/// that is given. The factory throws ValueError for a layer that is no such cell, UnsupportedError
/// for one with an activity regularizer.
struct RNNOptions {
  struct Cell {
    Cell() = default;
    Cell(LayerPtr one) : layer(std::move(one)) {}  // NOLINT: implicit on purpose
    Cell(const LayerRef& one) : layer(one) {}      // NOLINT
    Cell(std::vector<LayerRef> cells);             // NOLINT: StackedRNNCells
    Cell(std::initializer_list<LayerRef> cells)    // NOLINT
        : Cell(std::vector<LayerRef>(cells)) {}
    LayerPtr layer;
  };
  Cell cell = {};
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
[[nodiscard]] LayerRef RNN(RNNOptions options);

/// An RNN, SimpleRNN, LSTM, GRU, ConvLSTM1D, ConvLSTM2D or ConvLSTM3D, once from the first step to
/// the last and once back:
///
///     auto y = layers::Bidirectional({.layer = layers::LSTM({.units = 8})})(x);
///
/// `merge_mode`: "concat" (along the last axis), "sum", "ave", "mul", or empty, which is Keras's
/// None: both outputs, one after the other. Sequences of the way back are turned round first. The
/// states of `return_state` follow, those of the way there first; so do initial states, as further
/// inputs. What is masked is zeros in sequences of either way, whatever the layers were made with.
///
/// Sublayers, as Keras has them: forward_layer, made anew from the configuration of `layer` under
/// the name "forward_<name>", and backward_layer, which is the one given or made likewise.
/// Variables: theirs ("bidirectional/forward_lstm/lstm_cell/kernel"). The factory throws ValueError
/// for another merge mode and for layers that do not go together, UnsupportedError for a layer that
/// is none of the seven and for one that no configuration holds.
struct BidirectionalOptions {
  LayerPtr layer = nullptr;
  std::string merge_mode = "concat";
  LayerPtr backward_layer = nullptr;
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef Bidirectional(BidirectionalOptions options);

/// What the layer, and all that it holds, carries from one batch to the next: the states of those
/// that are `stateful`, in the order of `Layer::variables`, of each those that `return_state` gives
/// (Keras's `layer.states`). None before it is built. Assigning to them is the way to begin
/// elsewhere than with zeros.
[[nodiscard]] std::vector<VariablePtr> states(const Layer& layer);
/// Has all of them be zeros: Keras's `layer.reset_state()`, of a model that of each of its layers.
/// Nothing happens to layers that are not stateful. Throws DeviceError.
void reset_state(const Layer& layer);

/// A layer or a model with one input and one output, applied to each step by itself:
///
///     auto frames = layers::TimeDistributed({.layer = layers::Conv2D({.filters = 8,
///                                                                     .kernel_size = 3})})(video);
///
/// (batch, time, ...) -> (batch, time, ...), where the dots are what `layer` takes and gives. All
/// steps share its variables; in training BatchNormalization within has the statistics of each step
/// alone, which the moving ones follow step by step, and Dropout drops of each step anew. A mask
/// (batch, time, ...) goes, step by step, to a layer whose call has an argument `mask`, and to a
/// model; the output has the mask of the input. As in Keras, `layer` is the layer that is given,
/// and no copy, and its own activity regularizer adds nothing; those of layers in a model do.
///
/// Sublayer: layer. Variables: its own ("time_distributed/dense/kernel"). The factory throws
/// ValueError for a layer that is null, building it for one with several inputs or outputs and for
/// an input of fewer than three dimensions.
struct TimeDistributedOptions {
  LayerPtr layer = nullptr;
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef TimeDistributed(TimeDistributedOptions options);

}  // namespace lamina::layers
