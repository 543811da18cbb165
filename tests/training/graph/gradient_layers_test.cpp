// Every layer's gradients against central differences in float64, with fresh random options.
#include <functional>
#include <set>

#include "layers/config/registry.h"
#include "tests/training/graph/gradient_check.h"

namespace lamina::training {
namespace {

using namespace testkit;
using lamina::test::one_of;
using layers::IntPair;

/// A layer with the shapes that it is applied to.
struct Case {
  LayerRef layer;
  std::vector<Shape> inputs;
};

struct Row {
  std::string name;
  std::function<Case(Random&)> make;
};
void PrintTo(const Row& row, std::ostream* stream) {
  *stream << row.name;
}

bool coin(Random& random) {
  return pick(random, 0, 1) == 1;
}
IntPair pair(Random& random, std::int64_t low, std::int64_t high) {
  return {pick(random, low, high), pick(random, low, high)};
}
std::string padding(Random& random) {
  return coin(random) ? "same" : "valid";
}

/// (batch, height, width, channels), or channels first.
Shape image(Random& random, std::int64_t channels, bool channels_first) {
  const std::int64_t batch = pick(random, 1, 3), h = pick(random, 7, 10), w = pick(random, 7, 10);
  return channels_first ? Shape{batch, channels, h, w} : Shape{batch, h, w, channels};
}

constexpr const char* kFirst = "channels_first";
const char* format(bool channels_first) {
  return channels_first ? kFirst : "channels_last";
}

/// Strides, or dilation: Keras has not both.
struct Steps {
  IntPair strides = 1, dilation = 1;
  explicit Steps(Random& random) { (coin(random) ? strides : dilation) = pair(random, 1, 3); }
};

std::string activation(Random& random) {
  return one_of<std::string>(random, {"linear", "relu", "silu", "tanh", "sigmoid", "gelu"});
}

Case conv1d(Random& random) {
  const std::int64_t groups = pick(random, 1, 2);
  const bool strided = coin(random);
  return {layers::Conv1D({.filters = 2 * groups,
                          .kernel_size = pick(random, 1, 4),
                          .strides = strided ? pick(random, 1, 3) : 1,
                          .padding = one_of<std::string>(random, {"same", "valid", "causal"}),
                          .dilation_rate = strided ? 1 : pick(random, 1, 2),
                          .groups = groups,
                          .activation = activation(random)}),
          {{pick(random, 1, 3), pick(random, 8, 12), 2 * groups}}};
}

Case conv2d(Random& random) {
  const std::int64_t groups = pick(random, 1, 3);
  const Steps steps(random);
  return {layers::Conv2D({.filters = 2 * groups,
                          .kernel_size = pair(random, 1, 3),
                          .strides = steps.strides,
                          .padding = padding(random),
                          .dilation_rate = steps.dilation,
                          .groups = groups,
                          .activation = activation(random),
                          .use_bias = coin(random)}),
          {image(random, 2 * groups, false)}};
}

Case conv2d_channels_first(Random& random) {
  return {layers::Conv2D({.filters = 3,
                          .kernel_size = pair(random, 1, 3),
                          .padding = padding(random),
                          .data_format = kFirst}),
          {image(random, 2, true)}};
}

Case depthwise(Random& random) {
  const Steps steps(random);
  return {layers::DepthwiseConv2D({.kernel_size = pair(random, 1, 3),
                                   .strides = steps.strides,
                                   .padding = padding(random),
                                   .depth_multiplier = pick(random, 1, 2),
                                   .dilation_rate = steps.dilation,
                                   .activation = activation(random)}),
          {image(random, 3, false)}};
}

Case depthwise_1d(Random& random) {
  const bool strided = coin(random);
  return {layers::DepthwiseConv1D({.kernel_size = pick(random, 1, 3),
                                   .strides = strided ? pick(random, 1, 3) : 1,
                                   .padding = padding(random),
                                   .depth_multiplier = pick(random, 1, 2),
                                   .dilation_rate = strided ? 1 : pick(random, 1, 2),
                                   .activation = activation(random)}),
          {{pick(random, 1, 3), pick(random, 6, 9), 3}}};
}

Case separable_1d(Random& random) {
  return {layers::SeparableConv1D({.filters = 4,
                                   .kernel_size = pick(random, 1, 3),
                                   .strides = pick(random, 1, 2),
                                   .padding = padding(random),
                                   .depth_multiplier = pick(random, 1, 2),
                                   .activation = activation(random)}),
          {{pick(random, 1, 3), pick(random, 6, 9), 3}}};
}

Case transposed_1d(Random& random) {
  const bool strided = coin(random);
  layers::Conv1DTransposeOptions options{.filters = pick(random, 1, 3),
                                         .kernel_size = pick(random, 1, 4),
                                         .strides = strided ? pick(random, 1, 3) : 1,
                                         .padding = padding(random),
                                         .dilation_rate = strided ? 1 : pick(random, 1, 2),
                                         .activation = activation(random),
                                         .use_bias = coin(random)};
  if (coin(random)) options.output_padding = pick(random, 0, options.strides - 1);
  return {layers::Conv1DTranspose(options), {{2, pick(random, 3, 6), 2}}};
}

Case separable(Random& random) {
  return {layers::SeparableConv2D({.filters = 4,
                                   .kernel_size = pair(random, 1, 3),
                                   .strides = pair(random, 1, 2),
                                   .padding = padding(random),
                                   .depth_multiplier = pick(random, 1, 2),
                                   .activation = activation(random)}),
          {image(random, 3, false)}};
}

Case transposed(Random& random) {
  const Steps steps(random);
  layers::Conv2DTransposeOptions options{.filters = pick(random, 1, 3),
                                         .kernel_size = pair(random, 1, 4),
                                         .strides = steps.strides,
                                         .padding = padding(random),
                                         .dilation_rate = steps.dilation,
                                         .activation = activation(random),
                                         .use_bias = coin(random)};
  if (coin(random)) {
    options.output_padding = {pick(random, 0, options.strides.first - 1),
                              pick(random, 0, options.strides.second - 1)};
  }
  return {layers::Conv2DTranspose(options), {{2, pick(random, 3, 5), pick(random, 3, 5), 2}}};
}

Case batch_normalization(Random& random) {
  const Shape shape = one_of<Shape>(random, {{9, 4}, {2, 3, 4, 5}, {3, 7, 2}});
  const auto rank = static_cast<std::int64_t>(shape.rank());
  return {layers::BatchNormalization({.axis = coin(random) ? -1 : pick(random, 1, rank - 1),
                                      .center = coin(random),
                                      .scale = coin(random)}),
          {shape}};
}

Case layer_normalization(Random& random) {
  return {layers::LayerNormalization(
              {.axis = one_of<layers::Axes>(random, {{-1}, {1}, {1, 2}, {2, 3}, {1, 3}}),
               .center = coin(random),
               .scale = coin(random)}),
          {{2, 3, 4, 5}}};
}

Case rms_normalization(Random& random) {
  if (coin(random)) return {layers::RMSNormalization({.axis = 1}), {{2, 4, 4}}};
  return {layers::RMSNormalization(
              {.axis = one_of<layers::Axes>(random, {{-1}, {2, 3}, {1, 2, 3}, {3, -2}}),
               .epsilon = 0.01}),
          {{2, 3, 4, 5}}};
}

Case group_normalization(Random& random) {
  return {layers::GroupNormalization({.groups = one_of<std::int64_t>(random, {-1, 1, 2, 3}),
                                      .axis = one_of<std::int64_t>(random, {1, 2, -1}),
                                      .epsilon = 0.01,
                                      .center = coin(random),
                                      .scale = coin(random)}),
          {{2, 6, 6, 6}}};
}

Case unit_normalization(Random& random) {
  return {layers::UnitNormalization(
              {.axis = one_of<layers::Axes>(random, {{-1}, {1}, {1, 2}, {3, -2}})}),
          {{2, 3, 4, 5}}};
}

template <class Options>
Options window(Random& random) {
  return {.pool_size = pair(random, 1, 3),
          .strides = coin(random) ? std::optional(pair(random, 1, 3)) : std::nullopt,
          .padding = padding(random)};
}

Case max_pooling(Random& random) {
  return {layers::MaxPooling2D(window<layers::MaxPooling2DOptions>(random)),
          {image(random, 3, false)}};
}
Case average_pooling(Random& random) {
  return {layers::AveragePooling2D(window<layers::AveragePooling2DOptions>(random)),
          {image(random, 3, false)}};
}
template <class Options>
Options window_1d(Random& random) {
  return {.pool_size = pick(random, 1, 3),
          .strides = coin(random) ? std::optional(pick(random, 1, 4)) : std::nullopt,
          .padding = padding(random)};
}
Case max_pooling_1d(Random& random) {
  return {layers::MaxPooling1D(window_1d<layers::MaxPooling1DOptions>(random)), {{2, 9, 3}}};
}
Case average_pooling_1d(Random& random) {
  return {layers::AveragePooling1D(window_1d<layers::AveragePooling1DOptions>(random)),
          {{2, 9, 3}}};
}

template <class Options>
Case global_1d(Random& random, LayerRef (*layer)(Options)) {
  return {layer({.data_format = format(coin(random)), .keepdims = coin(random)}), {{2, 5, 4}}};
}

Case up_sampling(Random& random) {
  const bool first = coin(random);
  return {layers::UpSampling2D(
              {.size = pair(random, 1, 3),
               .data_format = format(first),
               .interpolation = one_of<std::string>(
                   random, {"nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"})}),
          {image(random, 2, first)}};
}

Case zero_padding(Random& random) {
  return {layers::ZeroPadding2D({.padding = {pair(random, 0, 2), pair(random, 0, 2)}}),
          {image(random, 2, false)}};
}

Case cropping(Random& random) {
  return {layers::Cropping2D({.cropping = {pair(random, 0, 1), pair(random, 0, 1)}}),
          {image(random, 2, false)}};
}

/// A layer on (batch, steps, channels).
template <class Options>
std::function<Case(Random&)> of_steps(LayerRef (*make)(Options), Options options) {
  return [make, options](Random& random) {
    return Case{make(options), {{pick(random, 1, 3), pick(random, 4, 7), pick(random, 1, 3)}}};
  };
}

Case merge(Random& random, LayerRef (*layer)(layers::MergeOptions)) {
  const bool broadcast = coin(random);
  return {layer({}), {{2, 3, 4, 5}, broadcast ? Shape{2, 1, 4, 1} : Shape{2, 3, 4, 5}}};
}

Case concatenate(Random& random) {
  const std::int64_t axis = pick(random, 1, 3);
  std::vector<Shape> shapes(3, Shape{2, 3, 4, 5});
  for (Shape& shape : shapes) shape[axis] = pick(random, 1, 4);
  return {layers::Concatenate({.axis = axis}), shapes};
}

/// Equations for each way that a kernel may lie and be multiplied.
Case einsum_dense(Random& random) {
  struct Equation {
    const char* text;
    Shape output;
    const char* bias;
    Shape input;
  };
  const Equation chosen = one_of<Equation>(random, {{"abc,cd->abd", {3, 5}, "d", {2, 3, 4}},
                                                    {"abc,cde->abde", {3, 2, 5}, "de", {2, 3, 4}},
                                                    {"abcd,cde->abe", {3, 5}, "e", {2, 3, 2, 4}},
                                                    {"abc,dc->abd", {3, 5}, "", {2, 3, 4}},
                                                    {"abc,bcd->abd", {3, 5}, "bd", {2, 3, 4}},
                                                    {"abcd,cbe->aed", {5, 4}, "d", {2, 3, 2, 4}},
                                                    {"...a,ab->...b", {5}, "b", {2, 3, 2, 4}},
                                                    {"abc,bd->ad", {5}, "d", {2, 3, 4}}});
  return {layers::EinsumDense({.equation = chosen.text,
                               .output_shape = chosen.output,
                               .activation = activation(random),
                               .bias_axes = chosen.bias}),
          {chosen.input}};
}

Case attention(Random& random) {
  const std::int64_t batch = pick(random, 1, 3);
  const bool windowed = coin(random);
  layers::MultiHeadAttentionOptions options{.num_heads = pick(random, 1, 3),
                                            .key_dim = pick(random, 1, 4),
                                            .dropout = coin(random) ? 0.3 : 0.0,
                                            .use_bias = coin(random),
                                            .use_gate = coin(random),
                                            .use_causal_mask = coin(random)};
  if (coin(random)) options.value_dim = pick(random, 1, 4);
  if (coin(random)) options.output_shape = {2, 3};
  if (windowed) options.sliding_window = pick(random, 2, 3);
  const std::int64_t targets = pick(random, 2, 5), sources = windowed ? 4 : pick(random, 2, 5);
  std::vector<Shape> inputs{{batch, targets, 4}, {batch, sources, 3}};
  if (coin(random)) inputs.push_back({batch, sources, 5});
  return {layers::MultiHeadAttention(options), inputs};
}

Case group_query_attention(Random& random) {
  const std::int64_t batch = pick(random, 1, 3), groups = pick(random, 1, 3);
  const bool windowed = coin(random);
  layers::GroupQueryAttentionOptions options{.head_dim = pick(random, 1, 4),
                                             .num_query_heads = groups * pick(random, 1, 3),
                                             .num_key_value_heads = groups,
                                             .dropout = coin(random) ? 0.3 : 0.0,
                                             .use_bias = coin(random),
                                             .use_gate = coin(random)};
  if (windowed) options.sliding_window = pick(random, 2, 3);
  const std::int64_t targets = pick(random, 2, 5), sources = windowed ? 4 : pick(random, 2, 5);
  std::vector<Shape> inputs{{batch, targets, 4}, {batch, sources, 4}};
  if (coin(random)) inputs.push_back({batch, sources, 3});
  return {layers::GroupQueryAttention(options), inputs};
}

/// Query, value, and perhaps a key.
std::vector<Shape> attended(Random& random) {
  const std::int64_t batch = pick(random, 1, 3), sources = pick(random, 2, 5);
  std::vector<Shape> inputs{{batch, pick(random, 2, 5), 4}, {batch, sources, 4}};
  if (coin(random)) inputs.insert(inputs.begin() + 1, Shape{batch, sources, 3});
  return inputs;
}

Case plain_attention(Random& random) {
  return {layers::Attention({.use_scale = coin(random),
                             .score_mode = one_of<std::string>(random, {"dot", "concat"}),
                             .dropout = coin(random) ? 0.3 : 0.0}),
          attended(random)};
}

Case additive_attention(Random& random) {
  return {
      layers::AdditiveAttention({.use_scale = coin(random), .dropout = coin(random) ? 0.3 : 0.0}),
      attended(random)};
}

Case dot(Random& random) {
  struct Inputs {
    layers::Axes axes;
    Shape first, second;
  };
  const Inputs chosen = one_of<Inputs>(random, {{{1}, {3, 4}, {3, 4}},
                                                {{2, 2}, {2, 3, 4}, {2, 5, 4}},
                                                {{1, 1}, {2, 4, 3}, {2, 4, 5}},
                                                {{2, 1}, {2, 3, 4}, {2, 4}},
                                                {{-1}, {2, 5}, {2, 3, 4, 5}},
                                                {{2, 2}, {2, 3, 4, 5}, {2, 5, 4, 3}}});
  return {layers::Dot({.axes = chosen.axes, .normalize = coin(random)}),
          {chosen.first, chosen.second}};
}

/// What all recurrent layers and cells have; smooth activations, for a kink comes back at every
/// step.
template <class Options>
Options recurrent_options(Random& random) {
  Options options;
  options.units = pick(random, 1, 3);
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

Case prelu(Random& random) {
  return {layers::PReLU({.shared_axes = one_of<layers::Axes>(random, {{}, {1}, {1, 2}, {3}})}),
          {{2, 3, 4, 5}}};
}

/// No random options: a layer made by `make` on (2, 3, 4, 5).
template <class Make>
std::function<Case(Random&)> plain(Make make) {
  return [make](Random&) { return Case{make(), {{2, 3, 4, 5}}}; };
}

std::vector<Row> rows() {
  using namespace layers;
  std::vector<Row> rows{
      {"Dense",
       [](Random& random) {
         return Case{layers::Dense({.units = pick(random, 1, 5),
                                    .activation = activation(random),
                                    .use_bias = coin(random)}),
                     {one_of<Shape>(random, {{3, 4}, {2, 3, 4}})}};
       }},
      {"Conv1D", conv1d},
      {"Conv2D", conv2d},
      {"Conv2DChannelsFirst", conv2d_channels_first},
      {"DepthwiseConv2D", depthwise},
      {"SeparableConv2D", separable},
      {"Conv2DTranspose", transposed},
      {"BatchNormalization", batch_normalization},
      {"LayerNormalization", layer_normalization},
      {"RMSNormalization", rms_normalization},
      {"GroupNormalization", group_normalization},
      {"UnitNormalization", unit_normalization},
      {"MaxPooling2D", max_pooling},
      {"AveragePooling2D", average_pooling},
      {"MaxPooling1D", max_pooling_1d},
      {"AveragePooling1D", average_pooling_1d},
      {"UpSampling2D", up_sampling},
      {"ZeroPadding2D", zero_padding},
      {"ZeroPadding1D", of_steps<ZeroPadding1DOptions>(ZeroPadding1D, {.padding = {1, 2}})},
      {"Cropping2D", cropping},
      {"Cropping1D", of_steps<Cropping1DOptions>(Cropping1D, {.cropping = {2, 1}})},
      {"UpSampling1D", of_steps<UpSampling1DOptions>(UpSampling1D, {.size = 3})},
      {"DepthwiseConv1D", depthwise_1d},
      {"SeparableConv1D", separable_1d},
      {"Conv1DTranspose", transposed_1d},
      {"Concatenate", concatenate},
      {"PReLU", prelu},
      {"EinsumDense", einsum_dense},
      {"MultiHeadAttention", attention},
      {"GroupQueryAttention", group_query_attention},
      {"Attention", plain_attention},
      {"AdditiveAttention", additive_attention},
      {"Dot", dot},
      {"SimpleRNN", simple_rnn},
      {"LSTM", lstm},
      {"GRU", gru},
      {"SimpleRNNCell", simple_rnn_cell},
      {"LSTMCell", lstm_cell},
      {"GRUCell", gru_cell},
      {"StackedRNNCells", stacked_cells},
      {"RNN", rnn},
      {"Bidirectional", bidirectional},
      {"TimeDistributed", time_distributed},
      {"GlobalAveragePooling1D",
       [](Random& random) { return global_1d(random, GlobalAveragePooling1D); }},
      {"GlobalMaxPooling1D", [](Random& random) { return global_1d(random, GlobalMaxPooling1D); }},
      {"GlobalAveragePooling2D", plain([] { return GlobalAveragePooling2D(); })},
      {"GlobalMaxPooling2D", plain([] { return GlobalMaxPooling2D({.keepdims = true}); })},
      {"Flatten", plain([] { return Flatten(); })},
      {"Reshape", plain([] {
         return Reshape({.target_shape = {5, 12}});
       })},
      {"Permute", plain([] {
         return Permute({.dims = {3, 1, 2}});
       })},
      {"RepeatVector",
       [](Random& random) {
         return Case{layers::RepeatVector({.n = pick(random, 1, 4)}), {{3, pick(random, 1, 5)}}};
       }},
      {"Dropout", plain([] { return Dropout({.rate = 0.4}); })},
      {"SpatialDropout1D",
       [](Random&) {
         return Case{layers::SpatialDropout1D({.rate = 0.4}), {{3, 4, 5}}};
       }},
      {"SpatialDropout2D", plain([] { return SpatialDropout2D({.rate = 0.4}); })},
      {"AlphaDropout", plain([] { return AlphaDropout({.rate = 0.4}); })},
      // With one column the norm does not depend on where the iteration has come to, which counts
      // as constant.
      {"SpectralNormalization", plain([] {
         return SpectralNormalization({.layer = layers::Dense({.units = 1, .activation = "tanh"})});
       })},
      {"GaussianNoise", plain([] { return GaussianNoise({.stddev = 0.4}); })},
      {"GaussianDropout", plain([] { return GaussianDropout({.rate = 0.4}); })},
      {"ActivityRegularization",
       plain([] { return ActivityRegularization({.l1 = 0.1, .l2 = 0.2}); })},
      {"Identity", plain([] { return Identity(); })},
      {"Masking", plain([] { return Masking({.mask_value = 0.5}); })},
      {"Rescaling", plain([] { return Rescaling({.scale = 0.3, .offset = 1.0}); })},
      {"Normalization", plain([] { return Normalization(); })},
      {"ReLU",
       plain([] { return ReLU({.max_value = 1.2, .negative_slope = 0.1, .threshold = 0.3}); })},
      {"ReLU6", plain([] { return ReLU({.max_value = 1.0}); })},
      {"LeakyReLU", plain([] { return LeakyReLU(); })},
      {"ELU", plain([] { return ELU({.alpha = 0.7}); })},
      {"Softmax", plain([] {
         return Softmax({.axis = {1, 3}});
       })},
      {"GeluApproximate",
       plain([] { return Activation({.activation = ActivationFunction::gelu(true)}); })},
  };
  for (const auto& [name, layer] :
       std::vector<std::pair<std::string, LayerRef (*)(MergeOptions)>>{{"Add", Add},
                                                                       {"Multiply", Multiply},
                                                                       {"Average", Average},
                                                                       {"Maximum", Maximum},
                                                                       {"Minimum", Minimum},
                                                                       {"Subtract", Subtract}}) {
    const auto make = layer;
    rows.push_back({name, [make](Random& random) { return merge(random, make); }});
  }
  for (const char* name :
       {"elu", "selu", "silu", "gelu", "sigmoid", "hard_sigmoid", "hard_silu", "tanh", "softplus",
        "softsign", "exponential", "mish", "softmax", "log_softmax", "relu6"}) {
    rows.push_back({std::string("Activation_") + name,
                    plain([name] { return Activation({.activation = name}); })});
  }
  return rows;
}

class GradientOfALayer : public testing::TestWithParam<Row> {
 protected:
  void SetUp() override { set_dtype_policy("float64"); }
  void TearDown() override { set_dtype_policy("float32"); }
};

TEST_P(GradientOfALayer, EqualsCentralDifferences) {
  Seeded random;
  SCOPED_TRACE(random.note());
  for (int i = 0; i < 4 && !HasFailure(); ++i) {
    const Case made = GetParam().make(*random);
    const ModelPtr model = model_of(made.layer, made.inputs);
    randomize(*model, *random);
    std::vector<Tensor> inputs;
    for (const Shape& shape : made.inputs) {
      SCOPED_TRACE(shape.str());
      inputs.push_back(random_normal(shape, DType::kFloat64, *random));
    }
    expect_gradients(*model, inputs, *random);
  }
}

INSTANTIATE_TEST_SUITE_P(All, GradientOfALayer, testing::ValuesIn(rows()),
                         [](const auto& info) { return info.param.name; });

TEST(GradientOfALayer, EveryLayerHasARow) {
  Seeded random;
  // The first has no gradient, the second takes no floats: its test is the next one.
  std::set<std::string> seen{"InputLayer", "Embedding"};
  for (const Row& row : rows()) seen.insert(layers::exported_name(*row.make(*random).layer));
  for (const std::string& name : layers::registered_layers()) {
    EXPECT_TRUE(seen.contains(name)) << name;
  }
}

TEST(GradientOfALayer, EmbeddingAddsUpWhatEachRowReceived) {
  set_dtype_policy("float64");
  Seeded random;
  SCOPED_TRACE(random.note());
  const auto ids = layers::Input({.dtype = "int32", .batch_shape = Shape{3, 4}});
  const auto model =
      Functional::create(ids, layers::Embedding({.input_dim = 5, .output_dim = 3})(ids));
  randomize(*model, *random);
  expect_gradients(*model, {random_ids({3, 4}, 5, DType::kInt32, *random)}, *random);
  set_dtype_policy("float32");
}

}  // namespace
}  // namespace lamina::training
