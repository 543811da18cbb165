// Recurrent layers and their cells, and what goes along the steps of a sequence, with random
// options.
#include "tests/training/graph/gradient_rows.h"

namespace lamina::training::testkit {
namespace {

/// What all recurrent layers and cells have; smooth activations, for a kink comes back at every
/// step.
template <class Options>
Options recurrent_options(Random& random) {
  Options options;
  if constexpr (requires { options.units; }) options.units = pick(random, 1, 3);
  options.activation = one_of<std::string>(random, {"tanh", "sigmoid", "silu", "softmax"});
  if constexpr (requires { options.recurrent_activation; }) {
    options.recurrent_activation = one_of<std::string>(random, {"sigmoid", "tanh", "softmax"});
  }
  options.use_bias = coin(random);
  options.dropout = coin(random) ? 0.3 : 0;
  options.recurrent_dropout = coin(random) ? 0.3 : 0;
  if constexpr (requires { options.return_sequences; }) {
    options.return_sequences = coin(random);
    options.return_state = coin(random);
    options.go_backwards = coin(random);
  }
  return options;
}

/// A sequence, and perhaps so many initial states.
std::vector<Shape> sequence(Random& random, std::int64_t units, std::size_t states) {
  const std::int64_t batch = pick(random, 1, 3);
  std::vector<Shape> inputs{{batch, pick(random, 1, 7), pick(random, 1, 3)}};
  if (coin(random)) inputs.resize(1 + states, Shape{batch, units});
  return inputs;
}

Case simple_rnn(Random& random) {
  const auto options = recurrent_options<layers::SimpleRNNOptions>(random);
  return {layers::SimpleRNN(options), sequence(random, options.units, 1)};
}

Case lstm(Random& random) {
  const auto options = recurrent_options<layers::LSTMOptions>(random);
  return {layers::LSTM(options), sequence(random, options.units, 2)};
}

Case gru(Random& random) {
  auto options = recurrent_options<layers::GRUOptions>(random);
  options.reset_after = coin(random);
  return {layers::GRU(options), sequence(random, options.units, 1)};
}

/// Of images that have room for the window, and perhaps initial states where they are as large.
template <class Options>
Case conv_lstm(Random& random, LayerRef (*make)(Options), std::size_t axes) {
  auto options = recurrent_options<Options>(random);
  options.filters = pick(random, 1, 2);
  options.kernel_size = pick(random, 1, 2);
  const bool strided = coin(random);
  (strided ? options.strides : options.dilation_rate) = pick(random, 1, 2);
  options.padding = one_of<std::string>(random, {"valid", "same"});
  options.data_format = one_of<std::string>(random, {"channels_last", "channels_first"});
  const bool first = options.data_format == "channels_first";
  const std::int64_t batch = pick(random, 1, 3), channels = pick(random, 1, 2);
  const auto image = [&](Shape shape, std::int64_t features) {
    if (first) shape.push_back(features);
    for (std::size_t i = 0; i < axes; ++i) shape.push_back(4 + static_cast<std::int64_t>(i));
    if (!first) shape.push_back(features);
    return shape;
  };
  std::vector<Shape> inputs{image({batch, pick(random, 1, 4)}, channels)};
  const bool keeps_size = options.padding == "same" && options.strides == 1;
  if (keeps_size && coin(random)) inputs.resize(3, image({batch}, options.filters));
  return {make(options), inputs};
}
Case conv_lstm_1d(Random& random) {
  return conv_lstm(random, layers::ConvLSTM1D, 1);
}
Case conv_lstm_2d(Random& random) {
  return conv_lstm(random, layers::ConvLSTM2D, 2);
}
Case conv_lstm_3d(Random& random) {
  return conv_lstm(random, layers::ConvLSTM3D, 3);
}

template <class Options>
Case cell(Random& random, LayerRef (*make)(Options), std::size_t states) {
  const auto options = recurrent_options<Options>(random);
  const std::int64_t batch = pick(random, 1, 3);
  std::vector<Shape> inputs(1 + states, Shape{batch, options.units});
  inputs[0] = {batch, pick(random, 1, 3)};
  return {make(options), inputs};
}
Case simple_rnn_cell(Random& random) {
  return cell(random, layers::SimpleRNNCell, 1);
}
Case lstm_cell(Random& random) {
  return cell(random, layers::LSTMCell, 2);
}
Case gru_cell(Random& random) {
  return cell(random, layers::GRUCell, 1);
}

/// Two cells, and the sizes of their states.
struct Stack {
  std::vector<LayerPtr> cells;
  std::vector<std::int64_t> sizes;
};
Stack stack(Random& random) {
  const auto first = recurrent_options<layers::LSTMCellOptions>(random);
  auto second = recurrent_options<layers::GRUCellOptions>(random);
  second.reset_after = coin(random);
  return {{layers::LSTMCell(first), layers::GRUCell(second)},
          {first.units, first.units, second.units}};
}
Case stacked_cells(Random& random) {
  const Stack made = stack(random);
  const std::int64_t batch = pick(random, 1, 3);
  std::vector<Shape> inputs{{batch, pick(random, 1, 3)}};
  for (const std::int64_t size : made.sizes) inputs.push_back({batch, size});
  return {layers::StackedRNNCells({.cells = made.cells}), inputs};
}
Case rnn(Random& random) {
  const Stack made = stack(random);
  std::vector<Shape> inputs = sequence(random, 1, 0);
  if (coin(random)) {
    for (const std::int64_t size : made.sizes) inputs.push_back({inputs[0][0], size});
  }
  return {layers::RNN({.cell = LayerPtr(layers::StackedRNNCells({.cells = made.cells})),
                       .return_sequences = coin(random),
                       .return_state = coin(random),
                       .go_backwards = coin(random)}),
          inputs};
}

Case bidirectional(Random& random) {
  auto options = recurrent_options<layers::GRUOptions>(random);
  options.go_backwards = false;
  return {layers::Bidirectional(
              {.layer = layers::GRU(options),
               .merge_mode = one_of<std::string>(random, {"concat", "sum", "ave", "mul", ""})}),
          sequence(random, options.units, 2)};
}

Case time_distributed(Random& random) {
  const std::int64_t batch = pick(random, 2, 4), steps = pick(random, 1, 6);
  const LayerPtr layer = one_of<LayerPtr>(
      random, {layers::Dense({.units = 3, .activation = "tanh"}), layers::BatchNormalization(),
               layers::GRU({.units = 2}), layers::Dropout({.rate = 0.4}),
               Sequential::create({layers::Conv1D({.filters = 3, .kernel_size = 2}),
                                   layers::BatchNormalization()})});
  return {layers::TimeDistributed({.layer = layer}), {{batch, steps, 4, 3}}};
}

}  // namespace

std::vector<Row> rows_of_recurrence() {
  return {
      {"SimpleRNN", simple_rnn},
      {"LSTM", lstm},
      {"GRU", gru},
      {"ConvLSTM1D", conv_lstm_1d},
      {"ConvLSTM2D", conv_lstm_2d},
      {"ConvLSTM3D", conv_lstm_3d},
      {"SimpleRNNCell", simple_rnn_cell},
      {"LSTMCell", lstm_cell},
      {"GRUCell", gru_cell},
      {"StackedRNNCells", stacked_cells},
      {"RNN", rnn},
      {"Bidirectional", bidirectional},
      {"TimeDistributed", time_distributed},
  };
}

}  // namespace lamina::training::testkit
