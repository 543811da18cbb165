#include <gtest/gtest.h>
#include <lamina/applications.h>

#include <limits>

namespace lamina {
namespace {

using applications::MobileNetV2;

Shape kernel(const Functional& model, const char* layer) {
  return model.get_layer(layer)->own_variables()[0]->shape();
}

TEST(MobileNetV2, IsNamedAfterAlphaAndRows) {
  EXPECT_EQ(MobileNetV2()->name(), "mobilenetv2_1.00_224");
  EXPECT_EQ(MobileNetV2({.input_shape = Shape{96, 128, 3}, .alpha = 1.4})->name(),
            "mobilenetv2_1.40_96");
  EXPECT_EQ(MobileNetV2({.include_top = false})->name(), "mobilenetv2_1.00_None");
}

TEST(MobileNetV2, RoundsFiltersToMultiplesOfEight) {
  const auto narrow = MobileNetV2({.alpha = 0.35});
  EXPECT_EQ(kernel(*narrow, "Conv1"), (Shape{3, 3, 3, 16}));
  EXPECT_EQ(kernel(*narrow, "expanded_conv_project"), (Shape{1, 1, 16, 8}));
  EXPECT_EQ(kernel(*narrow, "block_6_project"), (Shape{1, 1, 96, 24}));
  EXPECT_EQ(kernel(*narrow, "Conv_1"), (Shape{1, 1, 112, 1280}));  // does not shrink
  const auto wide = MobileNetV2({.alpha = 1.3});
  EXPECT_EQ(kernel(*wide, "Conv1"), (Shape{3, 3, 3, 40}));
  EXPECT_EQ(kernel(*wide, "block_1_project"), (Shape{1, 1, 144, 32}));
  EXPECT_EQ(kernel(*wide, "Conv_1"), (Shape{1, 1, 416, 1664}));
}

TEST(MobileNetV2, PoolsWithoutATop) {
  const auto features = [](const char* pooling) {
    return MobileNetV2({.include_top = false, .pooling = pooling})->outputs()[0].shape();
  };
  EXPECT_EQ(features(""), (Shape{kNone, kNone, kNone, 1280}));
  EXPECT_EQ(features("avg"), (Shape{kNone, 1280}));
  EXPECT_EQ(features("max"), (Shape{kNone, 1280}));
}

// By how much rows and columns are padded depends on both.
TEST(MobileNetV2, TakesBothSizesOrOneUnknownHeight) {
  const auto features = [](Shape image) {
    return MobileNetV2({.include_top = false, .input_shape = std::move(image)})
        ->outputs()[0]
        .shape();
  };
  EXPECT_EQ(features({33, 64, 3}), (Shape{kNone, 2, 2, 1280}));
  EXPECT_EQ(features({kNone, 64, 3}), (Shape{kNone, kNone, 2, 1280}));
  EXPECT_THROW((void)features({64, kNone, 3}), ValueError);
}

TEST(MobileNetV2, RefusesOptionsThatDoNotFit) {
  EXPECT_THROW((void)MobileNetV2({.alpha = std::numeric_limits<double>::infinity()}), ValueError);
  EXPECT_THROW((void)MobileNetV2({.dropout = 0.5}), ValueError);
  EXPECT_THROW((void)MobileNetV2({.include_preprocessing = true}), ValueError);
}

}  // namespace
}  // namespace lamina
