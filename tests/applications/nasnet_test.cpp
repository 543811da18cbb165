#include <gtest/gtest.h>
#include <lamina/applications.h>

#include <string>

namespace lamina {
namespace {

TEST(NASNet, TakesKerasArguments) {
  const auto model = applications::NASNetMobile({.input_shape = Shape{64, 48, 1},
                                                 .classes = 7,
                                                 .classifier_activation = "linear",
                                                 .name = "small"});
  EXPECT_EQ(model->name(), "small");
  EXPECT_EQ(model->inputs()[0].shape(), (Shape{kNone, 64, 48, 1}));
  EXPECT_EQ(model->outputs()[0].shape(), (Shape{kNone, 7}));
  EXPECT_EQ(model->layers().back()->name(), "predictions");
}

TEST(NASNet, MobileHasASizeOfItsOwnWithoutATop) {
  const auto input = [](const char* name) {
    return applications::by_name(name, {.include_top = false})->inputs()[0].shape();
  };
  EXPECT_EQ(input("NASNetMobile"), (Shape{kNone, 224, 224, 3}));
  EXPECT_EQ(input("NASNetLarge"), (Shape{kNone, kNone, kNone, 3}));
}

TEST(NASNet, PoolsWithoutATop) {
  const auto features = [](const char* pooling) {
    return applications::NASNetMobile(
               {.include_top = false, .input_shape = Shape{64, 64, 3}, .pooling = pooling})
        ->outputs()[0]
        .shape();
  };
  EXPECT_EQ(features(""), (Shape{kNone, 2, 2, 1056}));
  EXPECT_EQ(features("avg"), (Shape{kNone, 1056}));
  EXPECT_EQ(features("max"), (Shape{kNone, 1056}));
  EXPECT_THROW(features("sum"), ValueError);
}

// Behind a reduction cell NASNetMobile goes on with what that cell was given, whose size is then
// adjusted; NASNetLarge with what came before that.
TEST(NASNet, CellsBehindReductionsTakeWhatKerasGivesThem) {
  const auto given = [](const char* name, const char* layer) {
    const auto model = applications::by_name(name, {.input_shape = Shape{64, 64, 3}});
    return model->get_layer(layer)->input().shape();
  };
  EXPECT_EQ(given("NASNetMobile", "adjust_relu_1_5"), (Shape{kNone, 8, 8, 264}));
  EXPECT_EQ(given("NASNetLarge", "adjust_relu_1_7"), (Shape{kNone, 8, 8, 1008}));
}

TEST(NASNet, RefusesWhatDoesNotFit) {
  EXPECT_THROW((void)applications::NASNetMobile({.input_shape = Shape{31, 64, 3}}), ValueError);
  EXPECT_THROW((void)applications::NASNetMobile({.classes = 0}), ValueError);
  EXPECT_THROW((void)applications::NASNetMobile({.include_preprocessing = true}), ValueError);
}

}  // namespace
}  // namespace lamina
