// SimpleRNN, LSTM, GRU and Bidirectional: sublayers, variables and their paths, and what they
// refuse.
#include <gtest/gtest.h>
#include <lamina/error.h>
#include <lamina/layers.h>

#include <functional>

#include "tests/layers/recurrence_scene.h"

using namespace lamina;
using lamina::test::variables_of;

namespace {

std::string words_of(const std::function<void()>& make) {
  try {
    make();
    return "nothing was thrown";
  } catch (const UnsupportedError& error) {
    return std::string("unsupported: ") + error.what();
  } catch (const Error& error) {
    return error.what();
  }
}

void expect_words(const std::function<void()>& make, const std::string& words) {
  const std::string text = words_of(make);
  EXPECT_NE(text.find(words), std::string::npos) << text;
}

}  // namespace

TEST(RecurrentForms, HaveKerasSublayersVariablesAndPaths) {
  clear_session();
  const auto built = [](const LayerRef& layer) {
    layer->build({{kNone, 7, 5}});
    return variables_of(*layer);
  };
  EXPECT_EQ(built(layers::SimpleRNN({.units = 3})),
            "simple_rnn/simple_rnn_cell/kernel (5, 3)\n"
            "simple_rnn/simple_rnn_cell/recurrent_kernel (3, 3)\n"
            "simple_rnn/simple_rnn_cell/bias (3,)\n");
  EXPECT_EQ(built(layers::LSTM({.units = 3, .use_bias = false, .name = "memory"})),
            "memory/lstm_cell/kernel (5, 12)\n"
            "memory/lstm_cell/recurrent_kernel (3, 12)\n");
  EXPECT_EQ(built(layers::GRU({.units = 3})),
            "gru/gru_cell/kernel (5, 9)\n"
            "gru/gru_cell/recurrent_kernel (3, 9)\n"
            "gru/gru_cell/bias (2, 9)\n");
  EXPECT_EQ(built(layers::GRU({.units = 3, .reset_after = false})),
            "gru_1/gru_cell/kernel (5, 9)\n"
            "gru_1/gru_cell/recurrent_kernel (3, 9)\n"
            "gru_1/gru_cell/bias (9,)\n");
  EXPECT_EQ(built(layers::Bidirectional({.layer = layers::LSTM({.units = 2, .use_bias = false})})),
            "bidirectional/forward_lstm/lstm_cell/kernel (5, 8)\n"
            "bidirectional/forward_lstm/lstm_cell/recurrent_kernel (2, 8)\n"
            "bidirectional/backward_lstm/lstm_cell/kernel (5, 8)\n"
            "bidirectional/backward_lstm/lstm_cell/recurrent_kernel (2, 8)\n");
  EXPECT_EQ(layers::LSTM({.units = 1})->name(), "lstm_1") << "a cell and a twin take no name";
}

TEST(RecurrentForms, BeginWithKerasInitializers) {
  const LayerRef lstm = layers::LSTM({.units = 3, .bias_initializer = "glorot_uniform"});
  lstm->build({{kNone, 4, 2}});
  const Tensor bias = lstm->get_weights()[2];
  for (std::size_t k = 0; k < 12; ++k) {
    const bool forget = k >= 3 && k < 6;
    EXPECT_EQ(bias.data<float>()[k] == 1, forget) << k;
    EXPECT_NE(bias.data<float>()[k], 0) << k;
  }
  const LayerRef plain = layers::LSTM({.units = 3, .unit_forget_bias = false});
  plain->build({{kNone, 4, 2}});
  const Tensor zeros = plain->get_weights()[2];
  for (const float value : zeros.data<float>()) EXPECT_EQ(value, 0);
  // Rows of the recurrent kernel are orthonormal.
  const Tensor kernel = lstm->get_weights()[1];
  for (std::size_t a = 0; a < 3; ++a) {
    for (std::size_t b = 0; b < 3; ++b) {
      double sum = 0;
      for (std::size_t k = 0; k < 12; ++k) {
        sum += kernel.data<float>()[a * 12 + k] * kernel.data<float>()[b * 12 + k];
      }
      EXPECT_NEAR(sum, a == b, 1e-5);
    }
  }
}

TEST(RecurrentForms, GiveTheirWeightsRules) {
  const LayerRef layer = layers::LSTM({.units = 2,
                                       .recurrent_regularizer = "l2",
                                       .bias_regularizer = "l1",
                                       .activity_regularizer = "l1",
                                       .kernel_constraint = "non_neg"});
  layer->build({{kNone, 4, 2}});
  const std::vector<VariablePtr> weights = layer->variables();
  EXPECT_FALSE(weights[0]->regularizer());
  EXPECT_EQ(weights[0]->constraint().class_name(), "NonNeg");
  EXPECT_EQ(weights[1]->regularizer().class_name(), "L2");
  EXPECT_EQ(weights[2]->regularizer().class_name(), "L1");
  EXPECT_EQ(layer->activity_regularizer().class_name(), "L1");
  const LayerRef frozen = layers::LSTM({.units = 2, .trainable = false});
  frozen->build({{kNone, 4, 2}});
  EXPECT_EQ(frozen->non_trainable_variables().size(), 3u);
  frozen->set_trainable(true);
  EXPECT_EQ(frozen->trainable_variables().size(), 3u);
}

TEST(RecurrentForms, RefuseWhatDoesNotSuitThem) {
  using Options = layers::LSTMOptions;
  const auto call = [](const Options& options, const std::vector<Shape>& inputs) {
    return [options, inputs] {
      SymbolicTensors tensors;
      for (const Shape& shape : inputs) tensors.push_back(layers::Input({.batch_shape = shape}));
      (void)layers::LSTM(options)->apply(tensors);
    };
  };
  const Shape x{2, 5, 3}, h{2, 4};
  const Options plain{.units = 4, .name = "memory"};
  EXPECT_EQ(words_of(call(plain, {x, h, h})), "nothing was thrown");
  expect_words(call({.units = 0, .name = "memory"}, {x}),
               "Layer 'memory' (LSTM): Received an invalid value for argument `units`, expected a "
               "positive integer, got 0.");
  expect_words(call({.units = std::int64_t{1} << 62, .name = "memory"}, {x}),
               "Layer 'memory' (LSTM): `units` is too large: 4611686018427387904");
  expect_words(call({.units = 4, .recurrent_activation = "swoosh"}, {x}), "swoosh");
  expect_words(call(plain, {{2, 5}}),
               "Input 0 of layer \"memory\" is incompatible with the layer: expected ndim=3, found "
               "ndim=2. Full shape received: (2, 5)");
  expect_words(call(plain, {x, h}), "takes 2 initial states or none. Received: 1");
  expect_words(call(plain, {x, h, {2, 3}}), "Input 2 of layer \"memory\"");
  expect_words(call({.units = 4, .unroll = true}, {{2, kNone, 3}}),
               "Cannot unroll a RNN if the time dimension is undefined.");
  EXPECT_EQ(words_of(call({.units = 4, .unroll = true}, {x})), "nothing was thrown");
  expect_words(
      [&] {
        const LayerRef layer = layers::LSTM(plain);
        layer->build({x});
        (void)layer(layers::Input({.shape = {5, 7}}));
      },
      "axis 2 to have the size 3");
}

TEST(RecurrentForms, BidirectionalRefusesLayersThatDoNotGoTogether) {
  using layers::BidirectionalOptions;
  const auto make = [](const BidirectionalOptions& options) {
    return [options] { (void)layers::Bidirectional(options); };
  };
  const auto gru = [](bool back, bool sequences = false) {
    return layers::GRU({.units = 2, .return_sequences = sequences, .go_backwards = back});
  };
  expect_words(make({}), "Please initialize `Bidirectional` layer with a `keras.layers.Layer`");
  expect_words(make({.layer = gru(false), .merge_mode = "max"}),
               "Invalid merge mode. Received: max. Merge mode should be one of");
  expect_words(make({.layer = layers::Dense({.units = 2, .name = "d"}), .name = "both"}),
               "unsupported: Layer 'both' (Bidirectional): Layer 'd' (Dense) is none of those");
  expect_words(make({.layer = gru(false), .backward_layer = gru(false)}),
               "Forward layer and backward layer should have different `go_backwards` value. "
               "Received: forward_layer.go_backwards False, backward_layer.go_backwards=False");
  expect_words(make({.layer = gru(true)}), "different `go_backwards` value");
  expect_words(
      make({.layer = gru(false),
            .backward_layer = layers::GRU({.units = 2, .go_backwards = true, .stateful = true})}),
      "the same value for attribute \"stateful\", got \"False\" for forward layer and "
      "\"True\" for backward layer");
  expect_words(make({.layer = gru(false), .backward_layer = gru(true, true)}),
               "the same value for attribute \"return_sequences\", got \"False\" for forward layer "
               "and \"True\" for backward layer");
  EXPECT_EQ(words_of(make({.layer = gru(true), .backward_layer = gru(false)})),
            "nothing was thrown");
}
