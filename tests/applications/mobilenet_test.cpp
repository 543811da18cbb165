#include <gtest/gtest.h>
#include <lamina/applications.h>

#include <limits>

namespace lamina {
namespace {

using applications::MobileNet;

TEST(MobileNet, TakesKerasArguments) {
  const auto model = MobileNet({.input_shape = Shape{64, 48, 1},
                                .classes = 7,
                                .classifier_activation = "linear",
                                .alpha = 0.25,
                                .depth_multiplier = 2,
                                .dropout = 0.5});
  EXPECT_EQ(model->name(), "mobilenet_0.25_64");
  EXPECT_EQ(model->outputs()[0].shape(), (Shape{kNone, 7}));
  EXPECT_EQ(model->get_layer("conv1")->own_variables()[0]->shape(), (Shape{3, 3, 1, 8}));
  EXPECT_EQ(model->get_layer("conv_dw_1")->own_variables()[0]->shape(), (Shape{3, 3, 8, 2}));
  EXPECT_EQ(model->get_layer("conv_pw_13")->own_variables()[0]->shape(), (Shape{1, 1, 512, 256}));
  EXPECT_NE(model->to_json().find(R"("rate":0.5)"), std::string::npos);
}

TEST(MobileNet, IsNamedAfterAlphaAndRows) {
  EXPECT_EQ(MobileNet()->name(), "mobilenet_1.00_224");
  EXPECT_EQ(MobileNet({.include_top = false, .alpha = 0.5})->name(), "mobilenet_0.50_None");
  EXPECT_EQ(MobileNet({.name = "mine"})->name(), "mine");
}

// Fractions of filters are cut, as by int().
TEST(MobileNet, CutsNumbersOfFilters) {
  const auto model = MobileNet({.alpha = 0.3});
  EXPECT_EQ(model->get_layer("conv1")->own_variables()[0]->shape(), (Shape{3, 3, 3, 9}));
  EXPECT_EQ(model->get_layer("conv_pw_1")->own_variables()[0]->shape(), (Shape{1, 1, 9, 19}));
}

TEST(MobileNet, HasDropoutAtRateZero) {
  EXPECT_EQ(MobileNet({.dropout = 0.0})->get_layer("dropout")->class_name(), "Dropout");
  EXPECT_NE(MobileNet()->to_json().find(R"("rate":0.001)"), std::string::npos);
}

TEST(MobileNet, RefusesOptionsThatDoNotFit) {
  EXPECT_THROW((void)MobileNet({.alpha = 0.01}), ValueError);  // no filters
  EXPECT_THROW((void)MobileNet({.alpha = std::numeric_limits<double>::quiet_NaN()}), ValueError);
  EXPECT_THROW((void)MobileNet({.alpha = 1e300}), ValueError);
  EXPECT_THROW((void)MobileNet({.depth_multiplier = 0}), ValueError);
  EXPECT_THROW((void)MobileNet({.dropout = 1.5}), ValueError);
  EXPECT_THROW((void)MobileNet({.minimalistic = true}), ValueError);
}

}  // namespace
}  // namespace lamina
