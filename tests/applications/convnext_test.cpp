#include <gtest/gtest.h>
#include <lamina/applications.h>

#include <string>

namespace lamina {
namespace {

TEST(ConvNeXt, TakesKerasArguments) {
  const auto model = applications::ConvNeXtTiny({.input_shape = Shape{64, 48, 3},
                                                 .classes = 7,
                                                 .classifier_activation = "linear",
                                                 .include_preprocessing = false,
                                                 .name = "small"});
  EXPECT_EQ(model->name(), "small");
  EXPECT_EQ(model->inputs()[0].shape(), (Shape{kNone, 64, 48, 3}));
  EXPECT_EQ(model->outputs()[0].shape(), (Shape{kNone, 7}));
  EXPECT_EQ(model->layers()[1]->name(), "small_stem");
  EXPECT_EQ(model->layers().back()->name(), "small_head_dense");
  for (const LayerPtr& layer : model->layers()) {
    if (layer->class_name() == "InputLayer") continue;
    EXPECT_TRUE(layer->name().starts_with("small_")) << layer->name();
  }
}

TEST(ConvNeXt, NormalizesColorsOfThreeChannelsOnly) {
  const auto second = [](std::int64_t channels) {
    return applications::ConvNeXtTiny({.input_shape = Shape{32, 32, channels}})
        ->layers()[1]
        ->name();
  };
  EXPECT_EQ(second(3), "convnext_tiny_prestem_normalization");
  EXPECT_EQ(second(1), "convnext_tiny_stem");
}

// After the pooling, or without it at each place.
TEST(ConvNeXt, NormalizesLastWithoutATop) {
  for (const std::string pooling : {"", "avg", "max"}) {
    clear_session();
    const auto model = applications::ConvNeXtTiny({.include_top = false, .pooling = pooling});
    EXPECT_EQ(model->outputs()[0].shape(),
              pooling.empty() ? (Shape{kNone, kNone, kNone, 768}) : (Shape{kNone, 768}));
    EXPECT_EQ(model->layers().back()->name(), "layer_normalization");
  }
  EXPECT_THROW((void)applications::ConvNeXtTiny({.include_top = false, .pooling = "sum"}),
               ValueError);
}

TEST(ConvNeXt, StemAndDownsamplingAreModelsWithin) {
  const auto model = applications::ConvNeXtTiny();
  for (const char* name : {"stem", "downsampling_block_0", "downsampling_block_2"}) {
    const LayerPtr layer = model->get_layer(std::string("convnext_tiny_") + name);
    EXPECT_EQ(layer->class_name(), "Sequential");
    EXPECT_EQ(layer->sublayers().size(), 2u) << name;
  }
}

// One less than the smallest number where the smallest image fits.
TEST(ConvNeXt, RefusesShapesThatAreTooSmall) {
  EXPECT_THROW((void)applications::ConvNeXtTiny({.input_shape = Shape{31, 32, 3}}), ValueError);
  const auto smallest = applications::ConvNeXtTiny({.input_shape = Shape{32, 32, 3}});
  EXPECT_EQ(smallest->get_layer("convnext_tiny_stage_3_block_2_identity")->output().shape(),
            (Shape{kNone, 1, 1, 768}));
  EXPECT_THROW((void)applications::ConvNeXtTiny({.classes = 0}), ValueError);
}

}  // namespace
}  // namespace lamina
