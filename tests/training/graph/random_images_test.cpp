// What layers that change images at random draw, and what they make of it.
#include <algorithm>
#include <cmath>

#include "tests/training/graph/gradient_check.h"

namespace lamina::training {
namespace {

using namespace testkit;
using Numbers = std::vector<double>;

/// What a layer makes of images in training, drawn from {7, counter}.
Numbers trained(const LayerRef& layer, const Tensor& images, std::uint64_t counter = 1) {
  const ModelPtr model = model_of(layer, {images.shape()}, "float32");
  TrainGraph graph(*model, {images.shape()});
  const Tensor y = graph.forward({images}, {7, counter})[0];
  EXPECT_EQ(y.dtype(), DType::kFloat32);
  const auto values = y.data<float>();
  EXPECT_TRUE(bitwise_equal(model->predict(images), images));
  return {values.begin(), values.end()};
}

Numbers values_of(const Tensor& x) {
  const auto values = x.data<float>();
  return {values.begin(), values.end()};
}

/// The same image so many times.
Tensor repeated(const Numbers& image, const Shape& shape, std::int64_t count) {
  std::vector<float> values;
  for (std::int64_t i = 0; i < count; ++i) values.insert(values.end(), image.begin(), image.end());
  Shape all{count};
  for (const std::int64_t dim : shape) all.push_back(dim);
  return Tensor::from(values, all);
}

/// Whether they are like those of a uniform distribution: each statistic within seven of its own
/// deviations.
void expect_uniform(const Numbers& numbers, double low, double high) {
  const auto count = static_cast<double>(numbers.size());
  double sum = 0, squares = 0, products = 0, fourth = 0;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const double share = (numbers[i] - low) / (high - low);
    ASSERT_GE(share, -1e-5);
    ASSERT_LT(share, 1 + 1e-5);
    sum += share - 0.5;
    squares += (share - 0.5) * (share - 0.5);
    products += (share - 0.5) * ((numbers[i ^ 1] - low) / (high - low) - 0.5);
    fourth += share < 0.25 ? 1 : 0;
  }
  const double deviation = 1 / std::sqrt(count);
  EXPECT_NEAR(sum / count, 0, 7 * deviation * std::sqrt(1.0 / 12));
  EXPECT_NEAR(squares / count, 1.0 / 12, 7 * deviation * std::sqrt(1.0 / 180));
  EXPECT_NEAR(products / count, 0, 7 * deviation * std::sqrt(2.0 / 144));
  EXPECT_NEAR(fourth / count, 0.25, 7 * deviation * std::sqrt(3.0 / 16));
  Numbers distinct = numbers;
  std::sort(distinct.begin(), distinct.end());
  const auto end = std::unique(distinct.begin(), distinct.end());
  EXPECT_GT(end - distinct.begin(), static_cast<std::ptrdiff_t>(0.95 * count));
}

constexpr std::int64_t kCount = 4000;

TEST(RandomImages, HalfAreFlippedInBothDirectionsAtOnce) {
  const Tensor images = repeated({1, 2, 3, 4, 5, 6}, {2, 3, 1}, kCount);
  const std::pair<const char*, Numbers> modes[] = {{"horizontal", {3, 2, 1, 6, 5, 4}},
                                                   {"vertical", {4, 5, 6, 1, 2, 3}},
                                                   {"horizontal_and_vertical", {6, 5, 4, 3, 2, 1}}};
  for (const auto& [mode, turned] : modes) {
    SCOPED_TRACE(mode);
    const Numbers y = trained(layers::RandomFlip({.mode = mode}), images);
    std::int64_t flipped = 0;
    for (std::int64_t i = 0; i < kCount; ++i) {
      const Numbers one(y.begin() + 6 * i, y.begin() + 6 * i + 6);
      flipped += one == turned ? 1 : 0;
      ASSERT_TRUE(one == turned || one == (Numbers{1, 2, 3, 4, 5, 6})) << i;
    }
    EXPECT_NEAR(static_cast<double>(flipped), kCount / 2, 7 * std::sqrt(kCount / 4));
  }
}

TEST(RandomImages, DrawsFollowTheStateAndDifferFromLayerToLayer) {
  Seeded random;
  SCOPED_TRACE(random.note());
  const Tensor images = random_normal({64, 3, 4, 2}, DType::kFloat32, *random);
  const LayerRef layer = layers::RandomBrightness({.factor = 0.5, .value_range = {-99, 99}});
  EXPECT_EQ(trained(layer, images), trained(layer, images));
  EXPECT_NE(trained(layer, images, 1), trained(layer, images, 2));
  const auto x = layers::Input({.shape = {3, 4, 2}});
  const auto both = Functional::create(
      SymbolicTensors{x},
      SymbolicTensors{layer(x),
                      layers::RandomBrightness({.factor = 0.5, .value_range = {-99, 99}})(x)});
  TrainGraph graph(*both, {{64, 3, 4, 2}});
  const auto& y = graph.forward({images}, {7, 1});
  EXPECT_FALSE(bitwise_equal(y[0], y[1]));
}

TEST(RandomImages, BrightnessIsOneUniformNumberAnImage) {
  const Tensor images = repeated({0, 1, 2, 3}, {1, 2, 2}, kCount);
  const Numbers y = trained(
      layers::RandomBrightness({.factor = {0.3, -0.1}, .value_range = {100, -100}}), images);
  Numbers drawn;
  for (std::size_t i = 0; i < y.size(); i += 4) {
    drawn.push_back(y[i]);
    for (std::size_t k = 1; k < 4; ++k) ASSERT_NEAR(y[i + k], y[i] + k, 1e-4);
  }
  expect_uniform(drawn, -20, 60);
  for (const double value : trained(layers::RandomBrightness({.factor = 0.5}), images)) {
    ASSERT_GE(value, 0);
    ASSERT_LE(value, 0.5 * 255 + 3);
  }
}

TEST(RandomImages, ContrastScalesDistancesFromTheMeanOfEachChannel) {
  const Tensor images = repeated({-1, 10, 1, 30}, {2, 1, 2}, kCount);
  const Numbers y =
      trained(layers::RandomContrast({.factor = {0.5, 0.2}, .value_range = {-99, 99}}), images);
  Numbers drawn;
  for (std::size_t i = 0; i < y.size(); i += 4) {
    const double factor = y[i + 2];
    drawn.push_back(factor);
    ASSERT_NEAR(y[i], -factor, 1e-5);
    ASSERT_NEAR(y[i + 1], 20 - 10 * factor, 1e-4);
    ASSERT_NEAR(y[i + 3], 20 + 10 * factor, 1e-4);
  }
  expect_uniform(drawn, 0.8, 1.5);
  // A number is how much more it may be, as in Keras.
  Numbers more;
  const Numbers z =
      trained(layers::RandomContrast({.factor = 0.4, .value_range = {-99, 99}}), images);
  for (std::size_t i = 2; i < z.size(); i += 4) more.push_back(z[i]);
  expect_uniform(more, 1, 1.4);
}

TEST(RandomImages, TranslationMovesDownAndToTheRight) {
  const Tensor image = Tensor::from<float>({1, 2, 3, 4, 5, 6, 7, 8}, {1, 4, 2, 1});
  const std::pair<const char*, Numbers> modes[] = {{"reflect", {5, 6, 3, 4, 1, 2, 1, 2}},
                                                   {"wrap", {3, 4, 5, 6, 7, 8, 1, 2}},
                                                   {"nearest", {1, 2, 1, 2, 1, 2, 1, 2}},
                                                   {"constant", {9, 9, 9, 9, 9, 9, 1, 2}}};
  for (const auto& [mode, moved] : modes) {
    for (const char* interpolation : {"nearest", "bilinear"}) {
      SCOPED_TRACE(std::string(mode).append(" ").append(interpolation));
      EXPECT_EQ(trained(layers::RandomTranslation({.height_factor = {0.75, 0.75},
                                                   .width_factor = 0.0,
                                                   .fill_mode = mode,
                                                   .interpolation = interpolation,
                                                   .fill_value = 9}),
                        image),
                moved);
    }
  }
  const Numbers between =
      trained(layers::RandomTranslation(
                  {.height_factor = 0.0, .width_factor = {0.25, 0.25}, .fill_mode = "constant"}),
              image);
  EXPECT_EQ(between, (Numbers{0.5, 1.5, 1.5, 3.5, 2.5, 5.5, 3.5, 7.5}));
}

TEST(RandomImages, TranslationIsUniformForEachImage) {
  // Along a ramp what is moved by less than its end tells by how much.
  const Tensor images = repeated({0, 1, 2, 3, 4, 5, 6, 7}, {1, 8, 1}, kCount);
  const Numbers y = trained(
      layers::RandomTranslation({.height_factor = 0.0, .width_factor = {-0.2, 0.4}}), images);
  Numbers drawn;
  for (std::size_t i = 0; i < y.size(); i += 8) drawn.push_back((4 - y[i + 4]) / 8);
  expect_uniform(drawn, -0.2, 0.4);
}

TEST(RandomImages, AQuarterOfATurnIsCounterclockwise) {
  const Tensor image = Tensor::from<float>({1, 2, 3, 4, 5, 6, 7, 8, 9}, {1, 3, 3, 1});
  const Numbers y = trained(layers::RandomRotation({.factor = {0.25, 0.25}}), image);
  const Numbers turned{3, 6, 9, 2, 5, 8, 1, 4, 7};
  for (std::size_t i = 0; i < 9; ++i) EXPECT_NEAR(y[i], turned[i], 1e-5) << i;
  const Tensor wide = Tensor::from<float>({1, 2, 3, 4}, {1, 1, 2, 2});
  const Numbers half = trained(layers::RandomRotation({.factor = {0.5, 0.5}}), wide);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(half[i], (Numbers{3, 4, 1, 2})[i], 1e-5) << i;
}

TEST(RandomImages, ZoomGoesAboutTheMiddle) {
  const Tensor image = Tensor::from<float>({1, 2, 3, 4, 5}, {1, 5, 1, 1});
  const auto zoomed = [&](double factor) {
    return trained(layers::RandomZoom({.height_factor = {factor, factor},
                                       .width_factor = 0.0,
                                       .fill_mode = "constant",
                                       .fill_value = 9}),
                   image);
  };
  EXPECT_EQ(zoomed(1), (Numbers{9, 1, 3, 5, 9}));
  EXPECT_EQ(zoomed(-0.5), (Numbers{2, 2.5, 3, 3.5, 4}));
}

TEST(RandomImages, CropsTakeTheSamePartOfAllImagesInABatch) {
  const Shape shape{3, 6, 5, 2};
  Tensor images = Tensor::empty(shape);
  for (std::int64_t i = 0; i < images.size(); ++i) images.data<float>()[i] = static_cast<float>(i);
  const ModelPtr model =
      model_of(layers::RandomCrop({.height = 3, .width = 4}), {shape}, "float32");
  EXPECT_TRUE(bitwise_equal(model->predict(images), images));
  TrainGraph graph(*model, {shape});
  std::vector<std::int64_t> drawn(4 * 2);
  for (std::uint64_t counter = 1; counter <= kCount; ++counter) {
    const Tensor& y = graph.forward({images}, {7, counter})[0];
    ASSERT_EQ(y.shape(), (Shape{3, 3, 4, 2}));
    const auto first = static_cast<std::int64_t>(y.data<float>()[0]);
    const std::int64_t row = first / 10, column = first % 10 / 2;
    ++drawn.at(static_cast<std::size_t>(2 * row + column));
    for (std::int64_t i = 0; i < y.size(); ++i) {
      const std::int64_t image = i / 24, down = i / 8 % 3, across = i / 2 % 4;
      const std::int64_t place = 60 * image + 10 * (row + down) + 2 * (column + across) + i % 2;
      ASSERT_EQ(y.data<float>()[i], static_cast<float>(place)) << i;
    }
  }
  for (const std::int64_t count : drawn) {
    EXPECT_NEAR(static_cast<double>(count), kCount / 8, 7 * std::sqrt(kCount * 7 / 64));
  }
}

TEST(RandomImages, CropsOfWhatLeavesNoChoiceAreOfTheMiddle) {
  const LayerRef layer = layers::RandomCrop({.height = 2, .width = 1});
  EXPECT_EQ(trained(layer, Tensor::from<float>({1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, {1, 2, 5, 1})),
            (Numbers{3, 8}));
  // From the middle on, as far as there are pixels, and then larger.
  const Tensor flat = Tensor::from<float>({0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13}, {1, 2, 6, 1});
  EXPECT_EQ(trained(layers::RandomCrop({.height = 4, .width = 4}), flat),
            (Numbers{2, 3, 4, 5, 4, 5, 6, 7, 8, 9, 10, 11, 10, 11, 12, 13}));
}

TEST(RandomImages, IntegersBecomeTheComputeDtype) {
  const auto x = layers::Input({.shape = {2, 2, 1}, .dtype = "uint8"});
  const auto model = Functional::create(x, layers::RandomBrightness({.factor = {0.5, 0.5}})(x));
  const Tensor image = Tensor::from<std::uint8_t>({0, 10, 100, 250}, {1, 2, 2, 1});
  EXPECT_EQ(values_of(model->predict(image)), (Numbers{0, 10, 100, 250}));
  TrainGraph graph(*model, {{1, 2, 2, 1}});
  EXPECT_EQ(values_of(graph.forward({image})[0]), (Numbers{127.5, 137.5, 227.5, 255}));
}

}  // namespace
}  // namespace lamina::training
