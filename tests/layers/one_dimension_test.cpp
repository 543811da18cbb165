// Layers of steps beside what keras_cases.json holds them to: they are those of images of one row,
// and what they refuse.
#include <lamina/error.h>

#include <functional>
#include <string>
#include <vector>

#include "tests/layers/execute.h"
#include "tests/layers/expect_words.h"
#include "tests/layers/mask_scene.h"

using namespace lamina;
using namespace lamina::test;

namespace {

using LayersOfSteps = MaskScene;

/// What the layers compute of the same weights and numbers, one of them on images of one row.
void expect_equal(const LayerRef& of_steps, const LayerRef& of_images, const Tensor& x,
                  const std::function<Tensor(const Shape&)>& random) {
  const Shape& steps = x.shape();
  const Tensor image = x.reshape({steps[0], 1, steps[1], steps[2]});
  of_steps->build({steps});
  of_images->build({image.shape()});
  std::vector<Tensor> weights, planes;
  for (const VariablePtr& variable : of_steps->variables()) {
    weights.push_back(random(variable->shape()));
  }
  const std::vector<VariablePtr> others = of_images->variables();
  ASSERT_EQ(others.size(), weights.size());
  for (std::size_t i = 0; i < others.size(); ++i) {
    planes.push_back(weights[i].reshape(others[i]->shape()));
  }
  of_steps->set_weights(weights);
  of_images->set_weights(planes);
  const Tensor y = lamina::testing::execute(*of_steps, {x})[0],
               wanted = lamina::testing::execute(*of_images, {image})[0];
  ASSERT_EQ(y.shape(), of_steps->compute_output_shape({steps})[0]);
  ASSERT_EQ(wanted.shape()[1], 1);
  expect_near(y, wanted.reshape(y.shape()));
}

std::int64_t drawn(std::mt19937_64& random, std::int64_t low, std::int64_t high) {
  return std::uniform_int_distribution<std::int64_t>(low, high)(random);
}

}  // namespace

TEST_F(LayersOfSteps, AreThoseOfImagesOfOneRow) {
  using layers::IntPair;
  const auto random = [this](const Shape& shape) { return normal(shape); };
  for (int round = 0; round < 12 && !HasFailure(); ++round) {
    const Tensor x = normal({drawn(random_, 1, 3), drawn(random_, 7, 12), 3});
    const std::string padding = drawn(random_, 0, 1) == 0 ? "valid" : "same";
    const std::int64_t kernel = drawn(random_, 1, 4), stride = drawn(random_, 1, 3);
    const std::int64_t dilation = stride == 1 ? drawn(random_, 1, 2) : 1;
    const std::int64_t filters = drawn(random_, 1, 4), depth = drawn(random_, 1, 2);
    const bool bias = drawn(random_, 0, 1) == 0;
    expect_equal(L::DepthwiseConv1D({.kernel_size = kernel,
                                     .strides = stride,
                                     .padding = padding,
                                     .depth_multiplier = depth,
                                     .dilation_rate = dilation,
                                     .use_bias = bias}),
                 L::DepthwiseConv2D({.kernel_size = {1, kernel},
                                     .strides = {1, stride},
                                     .padding = padding,
                                     .depth_multiplier = depth,
                                     .dilation_rate = {1, dilation},
                                     .use_bias = bias}),
                 x, random);
    expect_equal(L::SeparableConv1D({.filters = filters,
                                     .kernel_size = kernel,
                                     .strides = stride,
                                     .padding = padding,
                                     .dilation_rate = dilation,
                                     .depth_multiplier = depth,
                                     .use_bias = bias}),
                 L::SeparableConv2D({.filters = filters,
                                     .kernel_size = {1, kernel},
                                     .strides = {1, stride},
                                     .padding = padding,
                                     .dilation_rate = {1, dilation},
                                     .depth_multiplier = depth,
                                     .use_bias = bias}),
                 x, random);
    const std::int64_t extra = drawn(random_, 0, stride - 1);
    L::Conv1DTransposeOptions steps{.filters = filters,
                                    .kernel_size = kernel,
                                    .strides = stride,
                                    .padding = padding,
                                    .dilation_rate = dilation,
                                    .use_bias = bias};
    L::Conv2DTransposeOptions images{.filters = filters,
                                     .kernel_size = {1, kernel},
                                     .strides = {1, stride},
                                     .padding = padding,
                                     .dilation_rate = {1, dilation},
                                     .use_bias = bias};
    if (round % 2 == 0) {
      steps.output_padding = extra;
      images.output_padding = IntPair(0, extra);
    }
    expect_equal(L::Conv1DTranspose(steps), L::Conv2DTranspose(images), x, random);
    expect_equal(L::UpSampling1D({.size = stride}), L::UpSampling2D({.size = {1, stride}}), x,
                 random);
    expect_equal(L::ZeroPadding1D({.padding = {extra, depth}}),
                 L::ZeroPadding2D({.padding = {IntPair(0, 0), IntPair(extra, depth)}}), x, random);
    expect_equal(L::Cropping1D({.cropping = {extra, depth}}),
                 L::Cropping2D({.cropping = {IntPair(0, 0), IntPair(extra, depth)}}), x, random);
  }
}

TEST_F(LayersOfSteps, MoveIntegersWithoutRounding) {
  const Tensor x = Tensor::from<std::int64_t>({(std::int64_t{1} << 60) + 1, 2, 3}, {1, 3, 1});
  const auto values = [&](const LayerRef& layer) {
    const Tensor y = lamina::testing::execute(*layer, {x})[0];
    EXPECT_EQ(y.dtype(), DType::kInt64);
    const auto elements = y.data<std::int64_t>();
    return std::vector<std::int64_t>(elements.begin(), elements.end());
  };
  using List = std::vector<std::int64_t>;
  const std::int64_t a = x.data<std::int64_t>()[0];
  EXPECT_EQ(values(L::UpSampling1D()), (List{a, a, 2, 2, 3, 3}));
  EXPECT_EQ(values(L::ZeroPadding1D({.padding = {1, 0}})), (List{0, a, 2, 3}));
  EXPECT_EQ(values(L::Cropping1D({.cropping = {0, 2}})), (List{a}));
}

TEST_F(LayersOfSteps, RefuseWhatDoesNotSuitThem) {
  const auto on = [](const LayerRef& layer, const Shape& shape) {
    return [layer, shape] { (void)layer(input(shape)); };
  };
  expect_words<ValueError>(
      on(L::Cropping1D({.cropping = {1, 2}}), {kNone, 3, 2}),
      "`cropping` parameter of `Cropping1D` layer must be smaller than the input length. Received: "
      "input_shape=(None, 3, 2), cropping=(1, 2)");
  expect_words<ValueError>(
      on(L::Cropping2D({.cropping = {{1, 1}, {2, 1}}}), {kNone, 4, 3, 2}),
      "Values in `cropping` argument should be smaller than the corresponding spatial dimension of "
      "the input. Received: input_shape=(None, 4, 3, 2), cropping=((1, 1), (2, 1))");
  expect_words<ValueError>([] { (void)L::Cropping1D({.cropping = {-1, 0}}); }, "cropping");
  expect_words<ValueError>([] { (void)L::Cropping2D({.cropping = -1}); }, "1st entry of cropping");
  expect_words<ValueError>([] { (void)L::ZeroPadding1D({.padding = -1}); },
                           "The `padding` argument must be a tuple of 2 integers");
  expect_words<ValueError>([] { (void)L::UpSampling1D({.size = 0}); },
                           "Argument `size` should be a positive integer. Received: size=0");
  expect_words<ValueError>(
      [] { (void)L::DepthwiseConv1D({.kernel_size = 2, .padding = "causal"}); },
      "The `padding` argument must be one of {'valid', 'same'}. Received: padding=causal");
  expect_words<ValueError>(
      [] {
        (void)L::Conv1DTranspose(
            {.filters = 1, .kernel_size = 2, .strides = 2, .output_padding = 2});
      },
      "At dimension 0, `output_padding` is 2 but `strides` is 2.");
  expect_words<ValueError>(
      [] {
        (void)L::Conv1DTranspose(
            {.filters = 1, .kernel_size = 2, .strides = 2, .dilation_rate = 2});
      },
      "`strides > 1` not supported in conjunction with `dilation_rate > 1`.");
  expect_words<ValueError>(on(L::ZeroPadding1D(), {kNone, 3, 2, 1}), "expected ndim=3");
}
