// Convolutions, with random options.
#include "tests/training/graph/gradient_rows.h"

namespace lamina::training::testkit {
namespace {

/// Strides, or dilation: Keras has not both.
struct Steps {
  IntPair strides = 1, dilation = 1;
  explicit Steps(Random& random) { (coin(random) ? strides : dilation) = pair(random, 1, 3); }
};

Case conv1d(Random& random) {
  const std::int64_t groups = pick(random, 1, 2);
  const bool strided = coin(random);
  return {layers::Conv1D({.filters = 2 * groups,
                          .kernel_size = pick(random, 1, 4),
                          .strides = strided ? pick(random, 1, 3) : 1,
                          .padding = one_of<std::string>(random, {"same", "valid", "causal"}),
                          .dilation_rate = strided ? 1 : pick(random, 1, 2),
                          .groups = groups,
                          .activation = activation(random)}),
          {{pick(random, 1, 3), pick(random, 8, 12), 2 * groups}}};
}

Case conv2d(Random& random) {
  const std::int64_t groups = pick(random, 1, 3);
  const Steps steps(random);
  return {layers::Conv2D({.filters = 2 * groups,
                          .kernel_size = pair(random, 1, 3),
                          .strides = steps.strides,
                          .padding = padding(random),
                          .dilation_rate = steps.dilation,
                          .groups = groups,
                          .activation = activation(random),
                          .use_bias = coin(random)}),
          {image(random, 2 * groups, false)}};
}

Case conv2d_channels_first(Random& random) {
  return {layers::Conv2D({.filters = 3,
                          .kernel_size = pair(random, 1, 3),
                          .padding = padding(random),
                          .data_format = kFirst}),
          {image(random, 2, true)}};
}

Case depthwise(Random& random) {
  const Steps steps(random);
  return {layers::DepthwiseConv2D({.kernel_size = pair(random, 1, 3),
                                   .strides = steps.strides,
                                   .padding = padding(random),
                                   .depth_multiplier = pick(random, 1, 2),
                                   .dilation_rate = steps.dilation,
                                   .activation = activation(random)}),
          {image(random, 3, false)}};
}

Case depthwise_1d(Random& random) {
  const bool strided = coin(random);
  return {layers::DepthwiseConv1D({.kernel_size = pick(random, 1, 3),
                                   .strides = strided ? pick(random, 1, 3) : 1,
                                   .padding = padding(random),
                                   .depth_multiplier = pick(random, 1, 2),
                                   .dilation_rate = strided ? 1 : pick(random, 1, 2),
                                   .activation = activation(random)}),
          {{pick(random, 1, 3), pick(random, 6, 9), 3}}};
}

Case separable_1d(Random& random) {
  return {layers::SeparableConv1D({.filters = 4,
                                   .kernel_size = pick(random, 1, 3),
                                   .strides = pick(random, 1, 2),
                                   .padding = padding(random),
                                   .depth_multiplier = pick(random, 1, 2),
                                   .activation = activation(random)}),
          {{pick(random, 1, 3), pick(random, 6, 9), 3}}};
}

Case transposed_1d(Random& random) {
  const bool strided = coin(random);
  layers::Conv1DTransposeOptions options{.filters = pick(random, 1, 3),
                                         .kernel_size = pick(random, 1, 4),
                                         .strides = strided ? pick(random, 1, 3) : 1,
                                         .padding = padding(random),
                                         .dilation_rate = strided ? 1 : pick(random, 1, 2),
                                         .activation = activation(random),
                                         .use_bias = coin(random)};
  if (coin(random)) options.output_padding = pick(random, 0, options.strides - 1);
  return {layers::Conv1DTranspose(options), {{2, pick(random, 3, 6), 2}}};
}

Case separable(Random& random) {
  return {layers::SeparableConv2D({.filters = 4,
                                   .kernel_size = pair(random, 1, 3),
                                   .strides = pair(random, 1, 2),
                                   .padding = padding(random),
                                   .depth_multiplier = pick(random, 1, 2),
                                   .activation = activation(random)}),
          {image(random, 3, false)}};
}

Case transposed(Random& random) {
  const Steps steps(random);
  layers::Conv2DTransposeOptions options{.filters = pick(random, 1, 3),
                                         .kernel_size = pair(random, 1, 4),
                                         .strides = steps.strides,
                                         .padding = padding(random),
                                         .dilation_rate = steps.dilation,
                                         .activation = activation(random),
                                         .use_bias = coin(random)};
  if (coin(random)) {
    options.output_padding = {pick(random, 0, options.strides.first - 1),
                              pick(random, 0, options.strides.second - 1)};
  }
  return {layers::Conv2DTranspose(options), {{2, pick(random, 3, 5), pick(random, 3, 5), 2}}};
}

}  // namespace

std::vector<Row> rows_of_convolutions() {
  return {
      {"Conv1D", conv1d},
      {"Conv2D", conv2d},
      {"Conv2DChannelsFirst", conv2d_channels_first},
      {"DepthwiseConv2D", depthwise},
      {"SeparableConv2D", separable},
      {"Conv2DTranspose", transposed},
      {"DepthwiseConv1D", depthwise_1d},
      {"SeparableConv1D", separable_1d},
      {"Conv1DTranspose", transposed_1d},
  };
}

}  // namespace lamina::training::testkit
