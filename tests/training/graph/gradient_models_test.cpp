// Whole models: how gradients meet, what is frozen, what a step leaves behind.
#include <algorithm>
#include <cmath>
#include <map>

#include "tests/training/graph/gradient_check.h"

namespace lamina::training {
namespace {

using namespace testkit;
using layers::Input;

SymbolicTensor input(const Shape& shape) {
  return Input({.dtype = "float64", .batch_shape = shape});
}

class GradientOfAModel : public testing::Test {
 protected:
  void SetUp() override { set_dtype_policy("float64"); }
  void TearDown() override {
    set_dtype_policy("float32");
    if (HasFailure()) std::printf("%s\n", seeded.note().c_str());
  }
  Seeded seeded;
  Random& random = *seeded;
};

TEST_F(GradientOfAModel, OfDenseLayersEqualsDifferences) {
  const auto x = input({5, 7});
  auto y = layers::Dense({.units = 6, .activation = "relu"})(x);
  y = layers::Dense({.units = 5, .activation = "tanh"})(y);
  y = layers::Dense({.units = 3, .activation = "softmax"})(y);
  const auto model = Functional::create(x, y);
  randomize(*model, random);
  expect_gradients(*model, {random_normal({5, 7}, DType::kFloat64, random)}, random);
}

TEST_F(GradientOfAModel, ConvolutionalWithBatchNormalizationAndResiduals) {
  const auto x = input({2, 9, 8, 3});
  auto y =
      layers::Conv2D({.filters = 4, .kernel_size = 3, .padding = "same", .use_bias = false})(x);
  y = layers::BatchNormalization()(y);
  const auto skip = layers::Activation({.activation = "silu"})(y);
  y = layers::DepthwiseConv2D({.kernel_size = 3, .strides = 2, .padding = "same"})(skip);
  y = layers::BatchNormalization()(y);
  auto gate = layers::GlobalAveragePooling2D({.keepdims = true})(y);
  gate = layers::Conv2D({.filters = 4, .kernel_size = 1, .activation = "sigmoid"})(gate);
  y = layers::Multiply()({y, gate});
  y = layers::Add()({y, layers::MaxPooling2D({.pool_size = 2, .padding = "same"})(skip)});
  y = layers::GlobalMaxPooling2D()(layers::Activation({.activation = "relu"})(y));
  y = layers::Dense({.units = 3})(layers::Dropout({.rate = 0.3})(y));
  const auto model = Functional::create(x, y);
  randomize(*model, random);
  expect_gradients(*model, {random_normal({2, 9, 8, 3}, DType::kFloat64, random)}, random);
}

TEST_F(GradientOfAModel, OfATransformerEqualsDifferences) {
  const auto x = input({2, 5, 6});
  const LayerRef attention =
      layers::MultiHeadAttention({.num_heads = 2, .key_dim = 3, .use_causal_mask = true});
  auto y = layers::LayerNormalization()(layers::Add()({x, attention({x, x})}));
  auto hidden = layers::Dense({.units = 8, .activation = "gelu"})(y);
  hidden = layers::Dropout({.rate = 0.2})(layers::Dense({.units = 6})(hidden));
  y = layers::LayerNormalization()(layers::Add()({y, hidden}));
  y = layers::Add()({y, attention({y, x})});  // one layer, from elsewhere too
  y = layers::Dense({.units = 3, .activation = "softmax"})(layers::GlobalAveragePooling1D()(y));
  const auto model = Functional::create(x, y);
  randomize(*model, random);
  expect_gradients(*model, {random_normal({2, 5, 6}, DType::kFloat64, random)}, random);
}

TEST_F(GradientOfAModel, AddsUpWhatASharedLayerAndASharedValueReceive) {
  const auto x = input({3, 4});
  const LayerRef shared = layers::Dense({.units = 4, .activation = "sigmoid"});
  const auto once = shared(x);
  const auto twice = shared(once);
  const auto model =
      Functional::create({x}, {layers::Multiply()({once, twice}), layers::Add()({once, once})});
  randomize(*model, random);
  expect_gradients(*model, {random_normal({3, 4}, DType::kFloat64, random)}, random);
}

TEST_F(GradientOfAModel, AnOutputThatIsAlsoReadAndOneThatIsAnInput) {
  const auto x = input({3, 4});
  const auto hidden = layers::Dense({.units = 4})(x);
  const auto model = Functional::create({x}, {hidden, layers::Dense({.units = 2})(hidden), hidden});
  randomize(*model, random);
  expect_gradients(*model, {random_normal({3, 4}, DType::kFloat64, random)}, random);
}

TEST_F(GradientOfAModel, FrozenLayersAreLeftAloneAndPassedThrough) {
  const auto x = input({4, 6});
  auto y = layers::Dense({.units = 5, .name = "first"})(x);
  y = layers::BatchNormalization({.name = "norm"})(y);
  y = layers::Dense({.units = 5, .name = "frozen"})(y);
  y = layers::Dense({.units = 2, .name = "last"})(y);
  const auto model = Functional::create(x, y);
  model->get_layer("norm")->set_trainable(false);
  model->get_layer("frozen")->set_trainable(false);
  randomize(*model, random);
  TrainGraph graph(*model, {{4, 6}});
  std::vector<std::string> names;
  for (const VariablePtr& variable : graph.variables()) names.push_back(variable->path());
  EXPECT_EQ(names,
            (std::vector<std::string>{"first/kernel", "first/bias", "last/kernel", "last/bias"}));

  // Frozen batch normalisation works on its moving statistics, as prediction does.
  const Tensor data = random_normal({4, 6}, DType::kFloat64, random);
  std::vector<Tensor> before;
  for (const VariablePtr& variable : model->variables())
    before.push_back(variable->value().clone());
  const Tensor trained = graph.forward({data})[0].clone();
  graph.update_state();
  const Tensor predicted = model->predict(data);
  for (std::size_t i = 0; i < static_cast<std::size_t>(trained.size()); ++i) {
    EXPECT_NEAR(trained.data<double>()[i], predicted.data<double>()[i], 1e-12);
  }
  for (std::size_t i = 0; i < before.size(); ++i) {
    EXPECT_TRUE(bitwise_equal(model->variables()[i]->value(), before[i]));
  }
  expect_gradients(*model, {data}, random);
}

TEST_F(GradientOfAModel, IsZeroWhereNothingDependsOnAVariable) {
  const auto x = input({2, 3});
  const auto used = layers::Dense({.units = 2, .name = "used"})(x);
  const auto unused = layers::Dense({.units = 2, .name = "unused"})(x);
  // A product with zero columns of the cropped part depends on nothing.
  const auto model = Functional::create({x}, {used, unused});
  randomize(*model, random);
  TrainGraph graph(*model, {{2, 3}});
  (void)graph.forward({random_normal({2, 3}, DType::kFloat64, random)});
  const auto& gradients = graph.backward(
      {random_normal({2, 2}, DType::kFloat64, random), Tensor::zeros({2, 2}, DType::kFloat64)});
  ASSERT_EQ(gradients.size(), 4U);
  for (const double value : gradients[0].data<double>()) EXPECT_NE(value, 0);
  for (const double value : gradients[2].data<double>()) EXPECT_EQ(value, 0);
}

TEST_F(GradientOfAModel, MovesTheAveragesByTheBiasedVariance) {
  const auto x = input({6, 2});
  const auto model = Functional::create(x, layers::BatchNormalization({.momentum = 0.9})(x));
  const Tensor data = random_normal({6, 2}, DType::kFloat64, random);
  TrainGraph graph(*model, {{6, 2}});
  (void)graph.forward({data});
  for (const double mean : model->variables()[2]->value().data<double>()) EXPECT_EQ(mean, 0);
  graph.update_state();
  const auto values = data.data<double>();
  const auto moving_mean = model->variables()[2]->value().data<double>();
  const auto moving_variance = model->variables()[3]->value().data<double>();
  for (std::size_t c = 0; c < 2; ++c) {
    double mean = 0, variance = 0;
    for (std::size_t i = 0; i < 6; ++i) mean += values[2 * i + c] / 6;
    for (std::size_t i = 0; i < 6; ++i) variance += std::pow(values[2 * i + c] - mean, 2) / 6;
    EXPECT_NEAR(moving_mean[c], 0.1 * mean, 1e-14);
    EXPECT_NEAR(moving_variance[c], 0.9 + 0.1 * variance, 1e-14);
  }
}

TEST_F(GradientOfAModel, DropoutFollowsItsStateAndScalesWhatItKeeps) {
  const auto x = input({40, 50});
  const auto model = Functional::create(x, layers::Dropout({.rate = 0.25})(x));
  Tensor ones = Tensor::empty({40, 50}, DType::kFloat64);
  for (double& value : ones.data<double>()) value = 1;
  TrainGraph graph(*model, {{40, 50}});
  const Tensor first = graph.forward({ones}, {1, 0})[0].clone();
  EXPECT_TRUE(bitwise_equal(graph.forward({ones}, {1, 0})[0], first));
  EXPECT_FALSE(bitwise_equal(graph.forward({ones}, {1, 1})[0], first));
  EXPECT_FALSE(bitwise_equal(graph.forward({ones}, {2, 0})[0], first));
  int kept = 0;
  for (const double value : first.data<double>()) {
    EXPECT_TRUE(value == 0 || std::abs(value - 1 / 0.75) < 1e-12) << value;
    kept += value != 0 ? 1 : 0;
  }
  // Of 2000 elements 1500 are expected, +- 19; this is seven of those.
  EXPECT_NEAR(kept, 1500, 140);
}

TEST_F(GradientOfAModel, DropoutOfSamplesAndStochasticDepthKeepOrDropWholeOnes) {
  for (const LayerRef& layer : {layers::Dropout({.rate = 0.5, .noise_shape = {kNone, 1, 1}}),
                                layers::StochasticDepth({.drop_path_rate = 0.5})}) {
    SCOPED_TRACE(layer->class_name());
    const auto x = input({64, 3, 4});
    const auto model = Functional::create(x, layer(x));
    const Tensor data = random_normal({64, 3, 4}, DType::kFloat64, random);
    TrainGraph graph(*model, {{64, 3, 4}});
    const auto y = graph.forward({data}, {5, 5})[0].data<double>();
    int kept = 0;
    for (std::size_t sample = 0; sample < 64; ++sample) {
      const bool keeps = y[12 * sample] != 0;
      kept += keeps ? 1 : 0;
      for (std::size_t i = 12 * sample; i < 12 * (sample + 1); ++i) {
        EXPECT_EQ(y[i], keeps ? 2 * data.data<double>()[i] : 0) << i;
      }
    }
    EXPECT_GT(kept, 8);
    EXPECT_LT(kept, 56);
    expect_gradients(*model, {data}, random);
  }
  EXPECT_THROW((void)layers::Dropout({.rate = 0.5, .noise_shape = {0, 1}}), ValueError);
}

TEST_F(GradientOfAModel, SpatialDropoutKeepsOrDropsWholeChannels) {
  struct Kind {
    LayerRef layer;
    Shape shape;
    std::int64_t inner;  // elements behind the channels
  };
  for (const Kind& kind :
       {Kind{layers::SpatialDropout1D({.rate = 0.5}), {16, 3, 8}, 1},
        Kind{layers::SpatialDropout2D({.rate = 0.5}), {16, 3, 2, 8}, 1},
        Kind{layers::SpatialDropout2D({.rate = 0.5, .data_format = "channels_first"}),
             {16, 8, 3, 2},
             6}}) {
    SCOPED_TRACE(kind.layer->class_name() + kind.shape.str());
    const auto x = input(kind.shape);
    const auto model = Functional::create(x, kind.layer(x));
    const Tensor data = random_normal(kind.shape, DType::kFloat64, random);
    TrainGraph graph(*model, {kind.shape});
    const auto y = graph.forward({data}, {5, 5})[0].data<double>();
    std::map<std::int64_t, bool> keeps;  // by sample and channel
    for (std::size_t i = 0; i < y.size(); ++i) {
      const auto at = static_cast<std::int64_t>(i);
      const std::int64_t sample = at / (kind.shape.size() / 16), channel = at / kind.inner % 8;
      const bool kept = keeps.emplace(sample * 8 + channel, y[i] != 0).first->second;
      ASSERT_EQ(y[i], kept ? 2 * data.data<double>()[i] : 0) << i;
    }
    ASSERT_EQ(keeps.size(), 128u);
    const auto kept =
        std::count_if(keeps.begin(), keeps.end(), [](const auto& one) { return one.second; });
    EXPECT_NEAR(static_cast<double>(kept), 64, 40);  // seven standard deviations
    expect_gradients(*model, {data}, random);
  }
}

TEST_F(GradientOfAModel, AlphaDropoutKeepsMeanAndVariance) {
  const auto x = input({200, 100});
  const double rate = 0.3, limit = -1.0507009873554805 * 1.6732632423543772;
  const double a = 1 / std::sqrt((1 - rate) * (1 + rate * limit * limit)), b = -a * limit * rate;
  const Tensor data = random_normal({200, 100}, DType::kFloat64, random);
  const auto model = Functional::create(x, layers::AlphaDropout({.rate = rate})(x));
  TrainGraph graph(*model, {{200, 100}});
  const auto y = graph.forward({data}, {5, 5})[0].data<double>();
  double sum = 0, squares = 0, dropped = 0;
  for (std::size_t i = 0; i < y.size(); ++i) {
    const bool kept = std::abs(y[i] - (a * data.data<double>()[i] + b)) < 1e-12;
    ASSERT_NEAR(y[i], kept ? y[i] : a * limit + b, 1e-12) << i;
    dropped += kept ? 0 : 1;
    sum += y[i];
    squares += y[i] * y[i];
  }
  const double count = 20000;
  EXPECT_NEAR(dropped / count, rate, 0.025);
  EXPECT_NEAR(sum / count, 0, 0.06);
  EXPECT_NEAR(squares / count, 1, 0.1);
  const auto rows =
      Functional::create(x, layers::AlphaDropout({.rate = rate, .noise_shape = {kNone, 1}})(x));
  TrainGraph by_rows(*rows, {{200, 100}});
  const auto z = by_rows.forward({data}, {5, 5})[0].data<double>();
  for (std::size_t row = 0; row < 200; ++row) {
    const bool kept = std::abs(z[100 * row] - (a * data.data<double>()[100 * row] + b)) < 1e-12;
    for (std::size_t i = 100 * row; i < 100 * (row + 1); ++i) {
      ASSERT_NEAR(z[i], kept ? a * data.data<double>()[i] + b : a * limit + b, 1e-12) << i;
    }
  }
  const auto all = Functional::create(x, layers::AlphaDropout({.rate = 1})(x));
  EXPECT_THROW(TrainGraph(*all, {{200, 100}}), ValueError);
  EXPECT_TRUE(bitwise_equal(all->predict(data), data));
}

/// Of numbers around 0: whether they are like those of a normal distribution with this deviation.
void expect_normal(const std::vector<double>& numbers, double deviation) {
  const auto count = static_cast<double>(numbers.size());
  double sum = 0, squares = 0, fourths = 0, products = 0, inside = 0;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const double x = numbers[i] / deviation;
    sum += x;
    squares += x * x;
    fourths += x * x * x * x;
    products += x * numbers[i ^ 1] / deviation;  // of those that one pair of words gives
    inside += std::abs(x) < 1 ? 1 : 0;
  }
  // Each within seven of its own deviations.
  EXPECT_NEAR(sum / count, 0, 7 / std::sqrt(count));
  EXPECT_NEAR(squares / count, 1, 7 * std::sqrt(2 / count));
  EXPECT_NEAR(fourths / count, 3, 7 * std::sqrt(96 / count));
  EXPECT_NEAR(products / count, 0, 7 * std::sqrt(2 / count));
  EXPECT_NEAR(inside / count, 0.6827, 7 * std::sqrt(0.2167 / count));
}

TEST_F(GradientOfAModel, GaussianNoiseAndDropoutFollowTheirStateAndDraw) {
  const auto x = input({200, 100});
  const Tensor data = random_normal({200, 100}, DType::kFloat64, random);
  const double rate = 0.2;
  for (const bool factor : {false, true}) {
    const LayerRef layer =
        factor ? layers::GaussianDropout({.rate = rate}) : layers::GaussianNoise({.stddev = 0.3});
    const auto model = Functional::create(x, layer(x));
    TrainGraph graph(*model, {{200, 100}});
    const Tensor first = graph.forward({data}, {5, 5})[0].clone();
    EXPECT_TRUE(bitwise_equal(graph.forward({data}, {5, 5})[0], first));
    EXPECT_FALSE(bitwise_equal(graph.forward({data}, {5, 6})[0], first));
    std::vector<double> noise;
    for (std::size_t i = 0; i < 20000; ++i) {
      const double before = data.data<double>()[i], after = first.data<double>()[i];
      noise.push_back(factor ? after / before - 1 : after - before);
    }
    expect_normal(noise, factor ? std::sqrt(rate / (1 - rate)) : 0.3);
    EXPECT_TRUE(bitwise_equal(model->predict(data), data));
  }
  const auto all = Functional::create(x, layers::GaussianDropout({.rate = 1})(x));
  EXPECT_THROW(TrainGraph(*all, {{200, 100}}), ValueError);
}

TEST_F(GradientOfAModel, UnitNormalizationOfNothingHasAGradient) {
  const auto x = input({1, 3});
  const auto y = layers::Dense({.units = 3, .use_bias = false})(x);
  const auto model = Functional::create(x, layers::UnitNormalization()(y));
  GradientTape tape(*model);
  (void)tape.forward({Tensor::zeros({1, 3}, DType::kFloat64)});
  const auto& gradients = tape.gradients({Tensor::from<double>({1, 2, 3}, {1, 3})});
  for (const double value : gradients.at(0).data<double>()) EXPECT_EQ(value, 0);  // and not NaN
}

TEST_F(GradientOfAModel, RefusesWhatDoesNotFit) {
  const auto x = input({3, 4});
  const auto model = Functional::create(x, layers::Dense({.units = 2})(x));
  EXPECT_THROW(TrainGraph(*model, {{3, 5}}), ValueError);
  EXPECT_THROW(TrainGraph(*model, {{3, 4}, {3, 4}}), ValueError);
  TrainGraph graph(*model, {{3, 4}});
  const Tensor data = random_normal({3, 4}, DType::kFloat64, random);
  const Tensor dy = random_normal({3, 2}, DType::kFloat64, random);
  EXPECT_THROW((void)graph.backward({dy}), ValueError);
  EXPECT_THROW((void)graph.forward({}), ValueError);
  EXPECT_THROW((void)graph.forward({random_normal({2, 4}, DType::kFloat64, random)}), ValueError);
  (void)graph.forward({data});
  EXPECT_THROW((void)graph.backward({dy, dy}), ValueError);
  EXPECT_THROW((void)graph.backward({data}), ValueError);
  (void)graph.backward({dy});  // what did not fit has changed nothing
  EXPECT_THROW((void)graph.backward({dy}), ValueError) << "a second time after one forward";
}

// What the checks above would say of a wrong gradient.
TEST_F(GradientOfAModel, ACheckNoticesAWrongGradient) {
  const auto x = input({3, 4});
  const auto model = Functional::create(x, layers::Dense({.units = 2, .activation = "tanh"})(x));
  randomize(*model, random);
  const Tensor data = random_normal({3, 4}, DType::kFloat64, random);
  const Tensor dy = random_normal({3, 2}, DType::kFloat64, random);
  TrainGraph graph(*model, {{3, 4}});
  (void)graph.forward({data});
  const Tensor kernel_gradient = graph.backward({dy})[0].clone();
  Variable& kernel = *model->variables()[0];
  const auto loss = [&](double step) {
    Tensor moved = kernel.value().clone();
    moved.data<double>()[0] += step;
    const Tensor original = kernel.value();
    kernel.assign(moved);
    double sum = 0;
    const auto& y = graph.forward({data})[0];
    for (std::size_t i = 0; i < 6; ++i) sum += y.data<double>()[i] * dy.data<double>()[i];
    kernel.assign(original);
    return sum;
  };
  const double difference = (loss(1e-5) - loss(-1e-5)) / 2e-5;
  const double gradient = kernel_gradient.data<double>()[0];
  EXPECT_LT(std::abs(gradient - difference), 1e-8 * (1 + std::abs(gradient)));
  EXPECT_GT(std::abs(gradient * 1.00001 - difference), 1e-7 * std::abs(gradient));
}

}  // namespace
}  // namespace lamina::training
