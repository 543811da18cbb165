#include <gtest/gtest.h>
#include <lamina/applications.h>

#include <string>

namespace lamina {
namespace {

using applications::EfficientNetB0;

TEST(EfficientNet, TakesKerasArguments) {
  const auto model = EfficientNetB0({.input_shape = Shape{64, 48, 1},
                                     .classes = 7,
                                     .classifier_activation = "linear",
                                     .name = "small"});
  EXPECT_EQ(model->name(), "small");
  EXPECT_EQ(model->outputs()[0].shape(), (Shape{kNone, 7}));
  EXPECT_EQ(EfficientNetB0()->name(), "efficientnetb0");
}

// Width and depth are scaled, and the rate before the classifier with them.
TEST(EfficientNet, VariantsAreScaled) {
  const auto wide = applications::EfficientNetB7({.classes = 2});
  EXPECT_EQ(wide->name(), "efficientnetb7");
  EXPECT_EQ(wide->inputs()[0].shape(), (Shape{kNone, 600, 600, 3}));
  EXPECT_EQ(wide->get_layer("top_conv")->own_variables()[0]->shape(), (Shape{1, 1, 640, 2560}));
  EXPECT_EQ(wide->get_layer("block1d_add")->class_name(), "Add");
  const auto rate = [](const Functional& model) {
    const std::string json = model.to_json();
    const std::size_t place = json.find(R"("rate":)", json.find(R"("name":"top_dropout")"));
    return json.substr(place, 10);
  };
  EXPECT_EQ(rate(*wide), R"("rate":0.5)");
  EXPECT_EQ(rate(*EfficientNetB0()), R"("rate":0.2)");
}

TEST(EfficientNet, AlwaysPreprocessesItsImages) {
  clear_session();
  const auto model = EfficientNetB0({.include_top = false});
  EXPECT_EQ(model->layers()[1]->name(), "rescaling");
  EXPECT_EQ(model->layers()[2]->name(), "normalization");
  EXPECT_EQ(model->layers()[2]->own_variables().size(), 3U);  // mean, variance, count
  EXPECT_THROW((void)EfficientNetB0({.include_preprocessing = false}), ValueError);
}

TEST(EfficientNet, PoolsWithoutATop) {
  const auto features = [](const char* pooling) {
    return EfficientNetB0({.include_top = false, .pooling = pooling})->outputs()[0].shape();
  };
  EXPECT_EQ(features(""), (Shape{kNone, kNone, kNone, 1280}));
  EXPECT_EQ(features("avg"), (Shape{kNone, 1280}));
  EXPECT_EQ(features("max"), (Shape{kNone, 1280}));
}

}  // namespace
}  // namespace lamina
