// ConvLSTM1D, ConvLSTM2D and ConvLSTM3D beside what keras_cases.json holds them to: step by step
// against their formulas, variables, what dropout drops, and what they refuse.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <lamina/lamina.h>

#include <algorithm>
#include <cmath>

#include "tests/layers/conv_lstm_formulas.h"
#include "tests/layers/execute.h"
#include "tests/layers/expect_words.h"

using namespace lamina;
using namespace lamina::test;
using lamina::testing::execute;

namespace {

class ConvLSTM : public RecurrenceScene {
 protected:
  /// Along the last so many axes; strides or dilation, not both.
  Walks random_walks(std::size_t axes) {
    const bool same = coin(), strided = coin();
    Walks walks{};
    for (std::size_t a = 3 - axes; a < 3; ++a) {
      walks[a] = {pick(random_, 1, 3), 1, 1, same};
      (strided ? walks[a].stride : walks[a].dilation) = pick(random_, 1, 2);
    }
    return walks;
  }

  /// Random options of a layer that returns its sequence and states.
  template <class Options>
  Options options_of(const ConvScene& scene) {
    Options options;
    options.filters = pick(random_, 1, 3);
    options.padding = scene.walks[2].same ? "same" : "valid";
    options.data_format = coin() ? "channels_first" : "channels_last";
    options.return_sequences = options.return_state = true;
    options.go_backwards = scene.go_backwards;
    options.zero_output_for_mask = scene.zero_output;
    options.dtype = "float64";
    return options;
  }

  /// On random images, with and without initial states and masks.
  template <class Options>
  void expect_formulas(const LayerRef& layer, const Options& options, ConvScene scene,
                       const Tensor& x, std::size_t axes) {
    const bool first = options.data_format == "channels_first";
    const auto as_given = [&](const Tensor& images) {
      return first ? with_channels_first(images, axes) : images;
    };
    layer->build({as_given(x).shape()});
    scene.weights = randomized(*layer);
    std::vector<Tensor> initial, inputs{as_given(x)};
    Tensor mask;
    const auto wanted = [&] {
      std::vector<Tensor> all = expected(scene, x, axes, initial, mask);
      for (Tensor& one : all) one = as_given(one);
      return all;
    };
    expect_near(execute(*layer, inputs), wanted());
    const Shape state = expected(scene, x, axes, initial, mask)[1].shape();
    initial = {tensor(state), tensor(state)};
    for (const Tensor& one : initial) inputs.push_back(as_given(one));
    expect_near(execute(*layer, inputs), wanted());
    mask = random_mask(x);
    inputs[0] = as_given(broken_where_masked(x, mask));
    inputs.push_back(mask);
    expect_near(execute(*layer, inputs, {.keywords = {"mask"}, .flags = {}}), wanted());
  }
};

}  // namespace

TEST_F(ConvLSTM, OfOneDimensionFollowsItsFormulas) {
  for (int round = 0; round < 12 && !HasFatalFailure(); ++round) {
    const ConvScene scene{random_walks(1), {}, coin(), coin()};
    const Walk& across = scene.walks[2];
    auto options = options_of<layers::ConvLSTM1DOptions>(scene);
    options.kernel_size = across.kernel;
    options.strides = across.stride;
    options.dilation_rate = across.dilation;
    const Tensor x = tensor(
        {pick(random_, 1, 3), pick(random_, 1, 6), pick(random_, 5, 8), pick(random_, 1, 3)});
    expect_formulas(layers::ConvLSTM1D(options), options, scene, x, 1);
  }
}

TEST_F(ConvLSTM, OfTwoDimensionsFollowsItsFormulas) {
  for (int round = 0; round < 12 && !HasFatalFailure(); ++round) {
    const ConvScene scene{random_walks(2), {}, coin(), coin()};
    const Walk &down = scene.walks[1], &across = scene.walks[2];
    auto options = options_of<layers::ConvLSTM2DOptions>(scene);
    options.kernel_size = {down.kernel, across.kernel};
    options.strides = {down.stride, across.stride};
    options.dilation_rate = {down.dilation, across.dilation};
    const Tensor x = tensor({pick(random_, 1, 3), pick(random_, 1, 5), pick(random_, 5, 7),
                             pick(random_, 5, 7), pick(random_, 1, 3)});
    expect_formulas(layers::ConvLSTM2D(options), options, scene, x, 2);
  }
}

TEST_F(ConvLSTM, OfThreeDimensionsFollowsItsFormulas) {
  for (int round = 0; round < 12 && !HasFatalFailure(); ++round) {
    const ConvScene scene{random_walks(3), {}, coin(), coin()};
    const auto& [in, down, across] = scene.walks;
    auto options = options_of<layers::ConvLSTM3DOptions>(scene);
    options.kernel_size = {in.kernel, down.kernel, across.kernel};
    options.strides = {in.stride, down.stride, across.stride};
    options.dilation_rate = {in.dilation, down.dilation, across.dilation};
    const Tensor x = tensor({pick(random_, 1, 2), pick(random_, 1, 4), pick(random_, 5, 6),
                             pick(random_, 5, 7), pick(random_, 5, 6), pick(random_, 1, 2)});
    expect_formulas(layers::ConvLSTM3D(options), options, scene, x, 3);
  }
}

// A plan computes what the definition says, with the optimizer's passes: activations fused, and
// states added within convolutions.
TEST_F(ConvLSTM, PredictsWhatItsOperationsSay) {
  for (const char* format : {"channels_last", "channels_first"}) {
    const auto x = layers::Input({.dtype = "float64", .batch_shape = Shape{2, 4, 6, 5, 3}});
    const LayerRef layer = layers::ConvLSTM2D({.filters = 2,
                                               .kernel_size = {3, 2},
                                               .padding = "same",
                                               .data_format = format,
                                               .return_sequences = true,
                                               .dtype = "float64"});
    const auto model = Functional::create(x, layer(x));
    randomized(*model);
    const Tensor images = tensor({2, 4, 6, 5, 3});
    expect_near({model->predict(images)}, execute(*layer, {images}));
  }
}

TEST_F(ConvLSTM, PredictsOfVolumesWhatItsOperationsSay) {
  const auto x = layers::Input({.dtype = "float64", .batch_shape = Shape{2, 3, 4, 3, 5, 2}});
  for (const char* activation : {"tanh", "softmax"}) {
    const LayerRef layer = layers::ConvLSTM3D({.filters = 2,
                                               .kernel_size = {2, 1, 3},
                                               .strides = {1, 1, 2},
                                               .padding = "same",
                                               .activation = activation,
                                               .return_sequences = true,
                                               .dtype = "float64"});
    const auto model = Functional::create(x, layer(x));
    randomized(*model);
    const Tensor volumes = tensor({2, 3, 4, 3, 5, 2});
    expect_near({model->predict(volumes)}, execute(*layer, {volumes}));
  }
}

// One pass of the kernel over the images of all steps, and one of the other kernel for each step.
TEST_F(ConvLSTM, ConvolvesTheInputsOfAllStepsAtOnce) {
  const LayerRef layer = layers::ConvLSTM1D({.filters = 2, .kernel_size = 3, .dtype = "float64"});
  const Tensor x = tensor({2, 7, 6, 3});
  layer->build({x.shape()});
  graph::Program program = lamina::testing::program_of({x});
  graph::Builder builder(program);
  (void)layers::Access::lower(*layer, builder, program.inputs, layers::CallForm{});
  std::vector<std::int64_t> batches;
  for (const graph::Op& op : program.ops) {
    if (const auto* conv = std::get_if<ops::Conv2D>(&op.spec)) {
      batches.push_back(conv->x.shape[0]);
    }
  }
  EXPECT_EQ(batches, (std::vector<std::int64_t>{14, 2, 2, 2, 2, 2, 2, 2}));
}

TEST_F(ConvLSTM, HasKerasVariablesAndPaths) {
  clear_session();
  const LayerRef row = layers::ConvLSTM1D({.filters = 3, .kernel_size = 2});
  row->build({{kNone, 7, 5, 4}});
  EXPECT_EQ(variables_of(*row),
            "conv_lstm1d/conv_lstm_cell/kernel (2, 4, 12)\n"
            "conv_lstm1d/conv_lstm_cell/recurrent_kernel (2, 3, 12)\n"
            "conv_lstm1d/conv_lstm_cell/bias (12,)\n");
  const LayerRef image = layers::ConvLSTM2D(
      {.filters = 2, .kernel_size = {2, 3}, .data_format = "channels_first", .use_bias = false});
  image->build({{kNone, kNone, 4, 6, 5}});
  EXPECT_EQ(variables_of(*image),
            "conv_lstm2d/conv_lstm_cell/kernel (2, 3, 4, 8)\n"
            "conv_lstm2d/conv_lstm_cell/recurrent_kernel (2, 3, 2, 8)\n");
  const LayerRef volume = layers::ConvLSTM3D({.filters = 2, .kernel_size = {2, 3, 1}});
  volume->build({{kNone, kNone, 4, 6, 5, 3}});
  EXPECT_EQ(variables_of(*volume),
            "conv_lstm3d/conv_lstm_cell/kernel (2, 3, 1, 3, 8)\n"
            "conv_lstm3d/conv_lstm_cell/recurrent_kernel (2, 3, 1, 2, 8)\n"
            "conv_lstm3d/conv_lstm_cell/bias (8,)\n");
  for (const bool forget : {true, false}) {
    const LayerRef layer =
        layers::ConvLSTM1D({.filters = 3, .kernel_size = 2, .unit_forget_bias = forget});
    layer->build({{kNone, 7, 5, 4}});
    const Tensor bias = layer->get_weights()[2];
    for (std::size_t k = 0; k < 12; ++k) {
      EXPECT_EQ(bias.data<float>()[k], forget && k >= 3 && k < 6 ? 1 : 0) << k;
    }
  }
}

// Without recurrence a step's output hangs on its own images alone, which are the same at all
// steps; and without either dropout training is prediction.
TEST_F(ConvLSTM, DropsTheSameAtAllSteps) {
  const auto x = layers::Input({.dtype = "float64", .batch_shape = Shape{3, 5, 6, 4}});
  const Tensor value = Tensor::from(std::vector<double>(3 * 5 * 6 * 4, 1), {3, 5, 6, 4});
  for (const double rate : {0.0, 0.5, 1.0}) {
    const auto model = Functional::create(x, layers::ConvLSTM1D({.filters = 3,
                                                                 .kernel_size = 2,
                                                                 .recurrent_activation = "linear",
                                                                 .use_bias = false,
                                                                 .dropout = rate,
                                                                 .return_sequences = true,
                                                                 .dtype = "float64"})(x));
    randomized(*model);
    // Of what is let through linearly the first step alone has nothing to forget.
    model->weights()[1]->assign(Tensor::zeros(model->weights()[1]->shape(), DType::kFloat64));
    Tensor kernel = model->weights()[0]->value().clone();
    for (std::size_t i = 0; i < kernel.data<double>().size(); ++i) {
      if (i % 12 / 3 == 1) kernel.data<double>()[i] = 0;  // the forget gate
    }
    model->weights()[0]->assign(kernel);
    const Tensor plain = model->predict(value);
    GradientTape tape(*model, seed_);
    const Tensor& dropped = tape.forward({value})[0];
    std::size_t changed = 0;
    for (std::size_t b = 0; b < 3; ++b) {
      for (std::size_t k = 0; k < 15; ++k) {
        const double first = dropped.data<double>()[b * 75 + k];
        changed += std::abs(first - plain.data<double>()[b * 75 + k]) > 1e-9;
        for (std::size_t t = 1; t < 5; ++t) {
          EXPECT_NEAR(dropped.data<double>()[b * 75 + t * 15 + k], first, 1e-12);
        }
      }
    }
    EXPECT_EQ(changed > 10, rate == 0.5) << rate;  // a rate of 1 is none, in Keras
  }
}

TEST_F(ConvLSTM, DropsOfStatesInTrainingAlone) {
  const Shape images{2, 4, 5, 5, 2}, volumes{2, 4, 5, 5, 1, 2};
  for (const double rate : {0.0, 0.5}) {
    for (const bool deep : {false, true}) {
      const Shape& shape = deep ? volumes : images;
      const auto x = layers::Input({.dtype = "float64", .batch_shape = shape});
      const LayerRef layer = deep ? layers::ConvLSTM3D({.filters = 3,
                                                        .kernel_size = {3, 3, 1},
                                                        .padding = "same",
                                                        .recurrent_dropout = rate,
                                                        .return_sequences = true,
                                                        .dtype = "float64"})
                                  : layers::ConvLSTM2D({.filters = 3,
                                                        .kernel_size = 3,
                                                        .padding = "same",
                                                        .recurrent_dropout = rate,
                                                        .return_sequences = true,
                                                        .dtype = "float64"});
      const auto model = Functional::create(x, layer(x));
      randomized(*model);
      const Tensor data = tensor(shape);
      const Tensor plain = model->predict(data);
      GradientTape tape(*model, seed_);
      const Tensor& dropped = tape.forward({data})[0];
      double first = 0, later = 0;
      for (std::size_t i = 0; i < plain.data<double>().size(); ++i) {
        double& apart = i / 75 % 4 == 0 ? first : later;
        apart = std::max(apart, std::abs(dropped.data<double>()[i] - plain.data<double>()[i]));
      }
      EXPECT_LT(first, 1e-12) << "in front of it there is no state";
      EXPECT_EQ(later > 1e-3, rate > 0) << later;
    }
  }
}

TEST_F(ConvLSTM, RefusesWhatDoesNotSuitIt) {
  using ::testing::HasSubstr;
  using Options = layers::ConvLSTM2DOptions;
  const auto message = [](Options options, const std::vector<Shape>& inputs) {
    options.name = "film";
    return words_of<ValueError>([&] {
      SymbolicTensors tensors;
      for (const Shape& shape : inputs) tensors.push_back(layers::Input({.batch_shape = shape}));
      (void)layers::ConvLSTM2D(options)->apply(tensors);
    });
  };
  const Options plain{.filters = 2, .kernel_size = 3};
  const Shape x{2, 4, 6, 5, 3}, h{2, 4, 3, 2};
  EXPECT_THAT(message({.filters = 0, .kernel_size = 3}, {x}),
              HasSubstr("Layer 'film' (ConvLSTM2D): Invalid value for argument `filters`. Expected "
                        "a strictly positive value. Received filters=0."));
  EXPECT_THAT(message({.filters = 2}, {x}), HasSubstr("kernel_size"));
  EXPECT_THAT(message({.filters = 2, .kernel_size = 3, .strides = 2, .dilation_rate = 3}, {x}),
              HasSubstr("Layer 'film' (ConvLSTM2D): Specifying `strides > 1` is not compatible "
                        "with `dilation_rate > 1`. Please provide `strides=1` or "
                        "`dilation_rate=1`. Received: strides=(2, 2) and dilation_rate=(3, 3)"));
  EXPECT_THAT(message({.filters = 2, .kernel_size = 3, .padding = "causal"}, {x}),
              HasSubstr("causal"));
  EXPECT_THAT(message(plain, {{2, 4, 6, 5}}),
              HasSubstr("Input 0 of layer \"film\" is incompatible with the layer: expected "
                        "ndim=5, found ndim=4. Full shape received: (2, 4, 6, 5)"));
  EXPECT_THAT(message(plain, {{2, 4, kNone, 5, 3}}),
              HasSubstr("ConvLSTM layers only support static input shapes for the spatial "
                        "dimension. Received invalid input shape: input_shape=(2, None, 5, 3)"));
  EXPECT_THAT(message(plain, {{2, 4, 6, 5, kNone}}), HasSubstr("should be defined. Found None."));
  EXPECT_THAT(message(plain, {{2, 4, 2, 5, 3}}), HasSubstr("zero or negative"));
  EXPECT_THAT(message(plain, {x, h}), HasSubstr("takes 2 initial states or none. Received: 1"));
  EXPECT_THAT(message(plain, {x, h, {2, 4, 2, 2}}),
              HasSubstr("expected an initial state of the shape (2, 4, 3, 2)"));
  const LayerRef layer = layers::ConvLSTM2D(plain);
  layer->build({x});
  EXPECT_THAT(words_of<ValueError>([&] {
                (void)layer(layers::Input({.batch_shape = Shape{2, 4, 6, 7, 3}}));
              }),
              HasSubstr("axis 3 to have the size 5"));
}
