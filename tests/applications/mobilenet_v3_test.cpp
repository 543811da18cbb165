#include <gtest/gtest.h>
#include <lamina/applications.h>

#include <algorithm>
#include <vector>

namespace lamina {
namespace {

using applications::MobileNetV3Large;
using applications::MobileNetV3Small;

Shape kernel(const Functional& model, const char* layer) {
  return model.get_layer(layer)->own_variables()[0]->shape();
}

std::int64_t count(const Functional& model, const char* class_name) {
  return std::ranges::count(model.layers(), class_name,
                            [](const LayerPtr& layer) { return layer->class_name(); });
}

TEST(MobileNetV3, ClassifiesImagesOfAnySize) {
  const auto model = MobileNetV3Small({.classes = 3, .alpha = 0.25});
  EXPECT_EQ(model->name(), "MobileNetV3Small");
  EXPECT_EQ(model->inputs()[0].shape(), (Shape{kNone, kNone, kNone, 3}));
  EXPECT_EQ(model->outputs()[0].shape(), (Shape{kNone, 3}));
  for (const std::int64_t size : {32, 41}) {
    std::vector<float> pixels(static_cast<std::size_t>(2 * size * (size + 7) * 3));
    for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<float>(i * 37 % 256);
    const Tensor result = model->predict(Tensor::from(pixels, {2, size, size + 7, 3}));
    ASSERT_EQ(result.shape(), (Shape{2, 3}));
    for (std::size_t row = 0; row < 2; ++row) {
      const auto of_row = result.data<float>().subspan(row * 3, 3);
      EXPECT_NEAR(of_row[0] + of_row[1] + of_row[2], 1, 1e-5);
    }
  }
  EXPECT_EQ(MobileNetV3Large({.input_shape = Shape{kNone, 31, 3}})->inputs()[0].shape(),
            (Shape{kNone, kNone, 31, 3}));
}

TEST(MobileNetV3, MinimalisticHasNeitherSqueezeNorHardSwish) {
  const auto advanced = MobileNetV3Large(), simple = MobileNetV3Large({.minimalistic = true});
  EXPECT_EQ(count(*advanced, "Multiply"), 8);
  EXPECT_EQ(count(*simple, "Multiply"), 0);
  EXPECT_EQ(count(*simple, "Activation"), 1);  // "predictions"
  EXPECT_EQ(kernel(*advanced, "expanded_conv_3_depthwise"), (Shape{5, 5, 72, 1}));
  EXPECT_EQ(kernel(*simple, "expanded_conv_3_depthwise"), (Shape{3, 3, 72, 1}));
}

TEST(MobileNetV3, OnlyLastFeaturesOfWideModelsGrow) {
  const auto narrow = MobileNetV3Small({.alpha = 0.5}), wide = MobileNetV3Small({.alpha = 1.5});
  EXPECT_EQ(kernel(*narrow, "conv"), (Shape{3, 3, 3, 16}));
  EXPECT_EQ(kernel(*narrow, "expanded_conv_10_project"), (Shape{1, 1, 288, 48}));
  EXPECT_EQ(kernel(*narrow, "conv_2"), (Shape{1, 1, 288, 1024}));
  EXPECT_EQ(kernel(*wide, "conv_2"), (Shape{1, 1, 864, 1536}));
}

TEST(MobileNetV3, DropoutAtRateZeroIsLeftOut) {
  EXPECT_EQ(count(*MobileNetV3Small(), "Dropout"), 1);
  EXPECT_EQ(count(*MobileNetV3Small({.dropout_rate = 0.0}), "Dropout"), 0);
  EXPECT_EQ(count(*MobileNetV3Small({.include_top = false}), "Dropout"), 0);
}

TEST(MobileNetV3, PreprocessesUnlessToldNotTo) {
  EXPECT_EQ(count(*MobileNetV3Small(), "Rescaling"), 1);
  EXPECT_EQ(count(*MobileNetV3Small({.include_preprocessing = false}), "Rescaling"), 0);
}

TEST(MobileNetV3, RefusesImagesThatAreTooSmall) {
  try {
    (void)MobileNetV3Small({.input_shape = Shape{31, 64, 3}});
    FAIL();
  } catch (const ValueError& error) {
    EXPECT_STREQ(error.what(),
                 "Input size must be at least 32x32; Received `input_shape=(31, 64, 3)`");
  }
  EXPECT_THROW((void)MobileNetV3Small({.input_shape = Shape{64, 64, kNone}}), ValueError);
  EXPECT_THROW((void)MobileNetV3Small({.dropout = 0.5}), ValueError);
}

}  // namespace
}  // namespace lamina
