#include <gtest/gtest.h>
#include <lamina/applications.h>

#include <chrono>
#include <string>
#include <vector>

namespace lamina {
namespace {

TEST(EfficientNetV2, BuildingComputesNoValues) {
  const auto start = std::chrono::steady_clock::now();
  const auto model = applications::EfficientNetV2L();
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  for (const VariablePtr& variable : model->variables()) ASSERT_FALSE(variable->materialized());
  EXPECT_LT(seconds.count(), 2.0);  // 0.05 s on the machine it was written on; sanitizers are slow
}

TEST(EfficientNetV2, TakesKerasArguments) {
  const auto model = applications::EfficientNetV2B0({.input_shape = Shape{64, 48, 1},
                                                     .classes = 7,
                                                     .classifier_activation = "linear",
                                                     .include_preprocessing = false,
                                                     .name = "small"});
  EXPECT_EQ(model->name(), "small");
  EXPECT_EQ(model->inputs()[0].shape(), (Shape{kNone, 64, 48, 1}));
  EXPECT_EQ(model->outputs()[0].shape(), (Shape{kNone, 7}));
  EXPECT_EQ(model->layers()[1]->name(), "stem_conv");
  EXPECT_THROW((void)model->get_layer("rescaling"), ValueError);
}

TEST(EfficientNetV2, PoolsWithoutATop) {
  const auto features = [](const char* pooling) {
    return applications::EfficientNetV2B0({.include_top = false, .pooling = pooling})
        ->outputs()[0]
        .shape();
  };
  EXPECT_EQ(features(""), (Shape{kNone, kNone, kNone, 1280}));
  EXPECT_EQ(features("avg"), (Shape{kNone, 1280}));
  EXPECT_EQ(features("max"), (Shape{kNone, 1280}));
  EXPECT_THROW(features("sum"), ValueError);
}

TEST(EfficientNetV2, ImagesWithOtherThanThreeChannelsAreScaledOnly) {
  const auto names = [](std::int64_t channels) {
    clear_session();
    std::string out;
    const auto model = applications::EfficientNetV2B0({.input_shape = Shape{32, 32, channels}});
    for (int i = 0; i < 3; ++i) out += model->layers()[static_cast<std::size_t>(i)]->name() + " ";
    return out;
  };
  EXPECT_EQ(names(3), "input_layer rescaling normalization ");
  EXPECT_EQ(names(1), "input_layer rescaling stem_conv ");
}

TEST(EfficientNetV2, RefusesShapesAndNamesThatDoNotFit) {
  const auto with = [](Shape shape) {
    return applications::EfficientNetV2B0({.input_shape = shape});
  };
  EXPECT_THROW(with({16, 64, 3}), ValueError);
  EXPECT_THROW(with({64, 64}), ValueError);
  EXPECT_THROW(with({64, 64, kNone}), ValueError);
  EXPECT_THROW(applications::EfficientNetV2B0({.classes = 0}), ValueError);
}

TEST(EfficientNetV2, PredictsProbabilitiesThatAddUpToOne) {
  set_random_seed(7);
  const auto model =
      applications::EfficientNetV2B0({.input_shape = Shape{64, 64, 3}, .classes = 5});
  std::vector<float> pixels(2 * 64 * 64 * 3);
  for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<float>(i * 37 % 256);
  const Tensor result = model->predict(Tensor::from(pixels, {2, 64, 64, 3}));
  ASSERT_EQ(result.shape(), (Shape{2, 5}));
  for (std::size_t row = 0; row < 2; ++row) {
    float sum = 0;
    for (std::size_t i = 0; i < 5; ++i) sum += result.data<float>()[row * 5 + i];
    EXPECT_NEAR(sum, 1, 1e-5);
  }
}

}  // namespace
}  // namespace lamina
