// ConvLSTM1D and ConvLSTM2D beside what keras_cases.json holds them to: step by step against their
// formulas, variables, what dropout drops, and what they refuse.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <lamina/lamina.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <random>

#include "tests/fresh_seed.h"
#include "tests/layers/execute.h"
#include "tests/random_choice.h"

using namespace lamina;
using lamina::test::pick;
using lamina::testing::execute;

namespace {

std::string message_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const ValueError& error) {
    return error.what();
  }
  return "nothing was thrown";
}

double sigmoid(double x) {
  return 1 / (1 + std::exp(-x));
}

/// Height, width and channels of one image; one of one dimension has the height 1.
struct Image {
  std::int64_t height, width, channels;
  std::vector<double> values;
  Image(std::int64_t h, std::int64_t w, std::int64_t c)
      : height(h), width(w), channels(c), values(static_cast<std::size_t>(h * w * c), 0) {}
  double& at(std::int64_t row, std::int64_t col, std::int64_t channel) {
    return values[static_cast<std::size_t>((row * width + col) * channels + channel)];
  }
};

/// How a window goes along one axis.
struct Walk {
  std::int64_t kernel, stride = 1, dilation = 1;
  bool same = true;
  [[nodiscard]] std::int64_t reach() const { return (kernel - 1) * dilation + 1; }
  [[nodiscard]] std::int64_t count(std::int64_t size) const {
    return same ? (size + stride - 1) / stride : (size - reach()) / stride + 1;
  }
  [[nodiscard]] std::int64_t before(std::int64_t size) const {
    return same ? std::max<std::int64_t>((count(size) - 1) * stride + reach() - size, 0) / 2 : 0;
  }
};

/// `kernel` (rows, cols, in, out), whatever its shape says of rows.
Image convolved(Image x, const Tensor& kernel, const Walk& down, const Walk& across) {
  const std::int64_t out = kernel.shape()[-1];
  Image y(down.count(x.height), across.count(x.width), out);
  for (std::int64_t row = 0; row < y.height; ++row) {
    for (std::int64_t col = 0; col < y.width; ++col) {
      for (std::int64_t i = 0; i < down.kernel * across.kernel * x.channels; ++i) {
        const std::int64_t channel = i % x.channels, k = i / x.channels;
        const std::int64_t from_row = row * down.stride - down.before(x.height) +
                                      k / across.kernel * down.dilation,
                           from_col = col * across.stride - across.before(x.width) +
                                      k % across.kernel * across.dilation;
        if (from_row < 0 || from_row >= x.height || from_col < 0 || from_col >= x.width) continue;
        for (std::int64_t f = 0; f < out; ++f) {
          y.at(row, col, f) += x.at(from_row, from_col, channel) *
                               kernel.data<double>()[static_cast<std::size_t>(i * out + f)];
        }
      }
    }
  }
  return y;
}

/// What a layer is made with, and its weights.
struct Scene {
  Walk down, across;
  std::vector<Tensor> weights;
  bool go_backwards, zero_output;
};

/// The states behind a step.
void go(const Scene& scene, const Image& x, Image& h, Image& c) {
  Image sums = convolved(x, scene.weights[0], scene.down, scene.across);
  Image inner = convolved(h, scene.weights[1], {scene.down.kernel}, {scene.across.kernel});
  const std::int64_t filters = h.channels;
  for (std::int64_t row = 0; row < h.height; ++row) {
    for (std::int64_t col = 0; col < h.width; ++col) {
      for (std::int64_t f = 0; f < filters; ++f) {
        const auto z = [&](std::int64_t gate) {
          const std::int64_t at = gate * filters + f;
          return sums.at(row, col, at) + inner.at(row, col, at) +
                 scene.weights[2].data<double>()[static_cast<std::size_t>(at)];
        };
        double& carry = c.at(row, col, f);
        carry = sigmoid(z(1)) * carry + sigmoid(z(0)) * std::tanh(z(2));
        h.at(row, col, f) = sigmoid(z(3)) * std::tanh(carry);
      }
    }
  }
}

/// (batch, time, ...), channels last -> the sequence and both states.
std::vector<Tensor> expected(const Scene& scene, const Tensor& x, std::size_t axes,
                             const std::vector<Tensor>& initial, const Tensor& mask) {
  const std::int64_t batch = x.shape()[0], steps = x.shape()[1], channels = x.shape()[-1];
  const std::int64_t height = axes == 1 ? 1 : x.shape()[2], width = x.shape()[-2];
  const std::int64_t filters = scene.weights[2].shape()[0] / 4;
  const std::int64_t rows = scene.down.count(height), cols = scene.across.count(width);
  Shape state{batch}, sequence{batch, steps};
  for (Shape* shape : {&state, &sequence}) {
    if (axes == 2) shape->push_back(rows);
    shape->push_back(cols);
    shape->push_back(filters);
  }
  std::vector<Tensor> out{Tensor::zeros(sequence, DType::kFloat64),
                          Tensor::zeros(state, DType::kFloat64),
                          Tensor::zeros(state, DType::kFloat64)};
  const auto put = [](const Image& image, Tensor& to, std::int64_t at) {
    std::copy(image.values.begin(), image.values.end(),
              to.data<double>().begin() + at * static_cast<std::int64_t>(image.values.size()));
  };
  const auto take = [](const Tensor& from, Image& image, std::int64_t at) {
    const auto first =
        from.data<double>().begin() + at * static_cast<std::int64_t>(image.values.size());
    std::copy(first, first + static_cast<std::ptrdiff_t>(image.values.size()),
              image.values.begin());
  };
  for (std::int64_t b = 0; b < batch; ++b) {
    Image h(rows, cols, filters), c = h, now(height, width, channels);
    const Image nothing = h;
    if (!initial.empty()) {
      take(initial[0], h, b);
      take(initial[1], c, b);
    }
    for (std::int64_t i = 0; i < steps; ++i) {
      const std::int64_t t = scene.go_backwards ? steps - 1 - i : i;
      const bool counts =
          !mask.defined() || mask.data<bool>()[static_cast<std::size_t>(b * steps + t)];
      take(x, now, b * steps + t);
      if (counts) go(scene, now, h, c);
      put(counts || !scene.zero_output ? h : nothing, out[0], b * steps + i);
    }
    put(h, out[1], b);
    put(c, out[2], b);
  }
  return out;
}

/// The last axis in front of the `axes` before it, or back.
Tensor moved(const Tensor& x, std::size_t axes, bool to_front) {
  std::vector<std::int64_t> dims = x.shape().dims();
  const auto first = dims.end() - static_cast<std::ptrdiff_t>(axes + 1);
  const std::int64_t whole =
      std::accumulate(first, dims.end(), std::int64_t{1}, std::multiplies<>());
  const std::int64_t channels = to_front ? dims.back() : *first;
  std::rotate(first, to_front ? dims.end() - 1 : first + 1, dims.end());
  Tensor y = Tensor::empty(Shape(dims), DType::kFloat64);
  for (std::int64_t i = 0; i < x.size(); ++i) {
    const std::int64_t image = i / whole, at = i % whole, places = whole / channels;
    const std::int64_t to =
        to_front ? at % channels * places + at / channels : at % places * channels + at / places;
    y.data<double>()[static_cast<std::size_t>(image * whole + to)] =
        x.data<double>()[static_cast<std::size_t>(i)];
  }
  return y;
}

void expect_near(const std::vector<Tensor>& got, const std::vector<Tensor>& wanted) {
  ASSERT_EQ(got.size(), wanted.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    ASSERT_EQ(got[i].shape(), wanted[i].shape()) << i;
    for (std::size_t k = 0; k < got[i].data<double>().size(); ++k) {
      ASSERT_NEAR(got[i].data<double>()[k], wanted[i].data<double>()[k], 1e-10) << i << ", " << k;
    }
  }
}

class ConvLSTM : public ::testing::Test {
 protected:
  Tensor tensor(const Shape& shape) {
    std::normal_distribution<double> normal;
    Tensor values = Tensor::empty(shape, DType::kFloat64);
    for (double& value : values.data<double>()) value = normal(random_);
    return values;
  }
  bool coin() { return pick(random_, 0, 1) == 1; }

  std::vector<Tensor> randomized(Layer& layer) {
    std::vector<Tensor> values;
    for (const VariablePtr& variable : layer.variables()) {
      values.push_back(tensor(variable->shape()));
      for (double& value : values.back().data<double>()) value /= 3;
      variable->assign(values.back());
    }
    return values;
  }

  Walk walk(bool same) {
    Walk walk{pick(random_, 1, 3), 1, 1, same};
    (coin() ? walk.stride : walk.dilation) = pick(random_, 1, 2);
    return walk;
  }

  /// Random options of a layer that returns its sequence and states.
  template <class Options>
  Options options_of(const Scene& scene) {
    Options options;
    options.filters = pick(random_, 1, 3);
    options.padding = scene.across.same ? "same" : "valid";
    options.data_format = coin() ? "channels_first" : "channels_last";
    options.return_sequences = options.return_state = true;
    options.go_backwards = scene.go_backwards;
    options.zero_output_for_mask = scene.zero_output;
    options.dtype = "float64";
    return options;
  }

  /// On random images, with and without initial states and masks.
  template <class Options>
  void expect_formulas(const LayerRef& layer, const Options& options, Scene scene, const Tensor& x,
                       std::size_t axes) {
    const bool first = options.data_format == "channels_first";
    const auto as_given = [&](const Tensor& images) {
      return first ? moved(images, axes, true) : images;
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
    mask = Tensor::empty({x.shape()[0], x.shape()[1]}, DType::kBool);
    for (bool& counts : mask.data<bool>()) counts = coin();
    inputs[0] = as_given(broken_where_masked(x, mask));
    inputs.push_back(mask);
    expect_near(execute(*layer, inputs, {.keywords = {"mask"}, .flags = {}}), wanted());
  }
  /// x with what nothing may come of in all steps that are masked.
  static Tensor broken_where_masked(const Tensor& x, const Tensor& mask) {
    Tensor broken = x.clone();
    const auto image = static_cast<std::size_t>(x.size() / mask.size());
    for (std::size_t i = 0; i < broken.data<double>().size(); ++i) {
      if (!mask.data<bool>()[i / image]) {
        broken.data<double>()[i] = std::numeric_limits<double>::quiet_NaN();
      }
    }
    return broken;
  }

  const unsigned seed_ = test::fresh_seed();
  std::mt19937 random_{seed_};
  ::testing::ScopedTrace trace_{__FILE__, __LINE__, "LAMINA_TEST_SEED=" + std::to_string(seed_)};
};

std::string variables_of(const Layer& layer) {
  std::string text;
  for (const VariablePtr& variable : layer.variables()) {
    text += variable->path() + " " + variable->shape().str() + "\n";
  }
  return text;
}

}  // namespace

TEST_F(ConvLSTM, OfOneDimensionFollowsItsFormulas) {
  for (int round = 0; round < 12 && !HasFatalFailure(); ++round) {
    const bool same = coin();
    const Scene scene{{1}, walk(same), {}, coin(), coin()};
    auto options = options_of<layers::ConvLSTM1DOptions>(scene);
    options.kernel_size = scene.across.kernel;
    options.strides = scene.across.stride;
    options.dilation_rate = scene.across.dilation;
    const Tensor x = tensor(
        {pick(random_, 1, 3), pick(random_, 1, 6), pick(random_, 5, 8), pick(random_, 1, 3)});
    expect_formulas(layers::ConvLSTM1D(options), options, scene, x, 1);
  }
}

TEST_F(ConvLSTM, OfTwoDimensionsFollowsItsFormulas) {
  for (int round = 0; round < 12 && !HasFatalFailure(); ++round) {
    const bool same = coin();
    Scene scene{walk(same), walk(same), {}, coin(), coin()};
    // Strides or dilation, not both.
    if (scene.down.stride > 1) scene.across.dilation = 1;
    if (scene.down.dilation > 1) scene.across.stride = 1;
    auto options = options_of<layers::ConvLSTM2DOptions>(scene);
    options.kernel_size = {scene.down.kernel, scene.across.kernel};
    options.strides = {scene.down.stride, scene.across.stride};
    options.dilation_rate = {scene.down.dilation, scene.across.dilation};
    const Tensor x = tensor({pick(random_, 1, 3), pick(random_, 1, 5), pick(random_, 5, 7),
                             pick(random_, 5, 7), pick(random_, 1, 3)});
    expect_formulas(layers::ConvLSTM2D(options), options, scene, x, 2);
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
  const auto x = layers::Input({.dtype = "float64", .batch_shape = Shape{2, 4, 5, 5, 2}});
  for (const double rate : {0.0, 0.5}) {
    const auto model = Functional::create(x, layers::ConvLSTM2D({.filters = 3,
                                                                 .kernel_size = 3,
                                                                 .padding = "same",
                                                                 .recurrent_dropout = rate,
                                                                 .return_sequences = true,
                                                                 .dtype = "float64"})(x));
    randomized(*model);
    const Tensor images = tensor({2, 4, 5, 5, 2});
    const Tensor plain = model->predict(images);
    GradientTape tape(*model, seed_);
    const Tensor& dropped = tape.forward({images})[0];
    double first = 0, later = 0;
    for (std::size_t i = 0; i < plain.data<double>().size(); ++i) {
      double& apart = i / 75 % 4 == 0 ? first : later;
      apart = std::max(apart, std::abs(dropped.data<double>()[i] - plain.data<double>()[i]));
    }
    EXPECT_LT(first, 1e-12) << "in front of it there is no state";
    EXPECT_EQ(later > 1e-3, rate > 0) << later;
  }
}

TEST_F(ConvLSTM, RefusesWhatDoesNotSuitIt) {
  using ::testing::HasSubstr;
  using Options = layers::ConvLSTM2DOptions;
  const auto message = [](Options options, const std::vector<Shape>& inputs) {
    options.name = "film";
    return message_of([&] {
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
  EXPECT_THAT(message_of([&] {
                (void)layer(layers::Input({.batch_shape = Shape{2, 4, 6, 7, 3}}));
              }),
              HasSubstr("axis 3 to have the size 5"));
}
