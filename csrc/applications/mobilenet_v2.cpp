#include <fmt/format.h>
#include <lamina/applications.h>
#include <lamina/error.h>

#include <algorithm>
#include <array>

#include "applications/parts.h"

// MobileNetV2: a stem, stages of inverted bottlenecks (wide inside, narrow and linear where they
// add up), and a dense classifier. Layer names are Keras's.
namespace lamina::applications {
namespace {

using namespace layers;

struct Stage {
  std::int64_t filters, repeats, stride;
};

constexpr auto kStages = std::to_array<Stage>(
    {{16, 1, 1}, {24, 2, 2}, {32, 3, 2}, {64, 4, 2}, {96, 3, 1}, {160, 3, 2}, {320, 1, 1}});

constexpr std::int64_t kExpansion = 6;

SymbolicTensor normalize(const SymbolicTensor& x, const std::string& name) {
  return BatchNormalization({.momentum = 0.999, .name = name})(x);
}

SymbolicTensor relu6(const SymbolicTensor& x, const std::string& name) {
  return ReLU({.max_value = 6, .name = name})(x);
}

SymbolicTensor pointwise(const SymbolicTensor& x, std::int64_t filters, const std::string& name) {
  const SymbolicTensor y = Conv2D(
      {.filters = filters, .kernel_size = 1, .padding = "same", .use_bias = false, .name = name})(
      x);
  return normalize(y, name + "_BN");
}

// The first block, number 0, does not expand and has a name of its own.
SymbolicTensor block(const SymbolicTensor& input, std::int64_t filters, std::int64_t stride,
                     int number) {
  const std::string name = number == 0 ? "expanded_conv_" : "block_" + std::to_string(number) + "_";
  const std::int64_t filters_in = input.shape()[-1];
  SymbolicTensor x = input;
  if (number > 0) {
    x = pointwise(x, kExpansion * filters_in, name + "expand");
    x = relu6(x, name + "expand_relu");
  }
  if (stride == 2) x = ZeroPadding2D({.padding = correct_pad(x, 3), .name = name + "pad"})(x);
  x = DepthwiseConv2D({.kernel_size = 3,
                       .strides = stride,
                       .padding = stride == 1 ? "same" : "valid",
                       .use_bias = false,
                       .name = name + "depthwise"})(x);
  x = relu6(normalize(x, name + "depthwise_BN"), name + "depthwise_relu");
  x = pointwise(x, filters, name + "project");
  if (stride != 1 || filters != filters_in) return x;
  return Add({.name = name + "add"})({input, x});
}

SymbolicTensor all_blocks(SymbolicTensor x, double alpha) {
  int number = 0;
  for (const Stage& stage : kStages) {
    // Keras cuts to a whole number of filters before it rounds.
    const std::int64_t cut = whole(static_cast<double>(stage.filters) * alpha);
    const std::int64_t filters = divisible_by_eight(static_cast<double>(cut));
    for (std::int64_t i = 0; i < stage.repeats; ++i, ++number) {
      x = block(x, filters, i == 0 ? stage.stride : 1, number);
    }
  }
  return x;
}

SymbolicTensor head(SymbolicTensor x, const Options& options) {
  if (!options.include_top) return pooled(x, options);
  return predictions(GlobalAveragePooling2D()(x), options);
}

// Of images of these sizes Keras has weights.
constexpr auto kTrainedRows = std::to_array<std::int64_t>({96, 128, 160, 192, 224});

void require_trained(double alpha) {
  constexpr auto kTrained = std::to_array({0.35, 0.5, 0.75, 1.0, 1.3, 1.4});
  if (std::ranges::find(kTrained, alpha) != kTrained.end()) return;
  throw ValueError(fmt::format(
      "If imagenet weights are being loaded, alpha must be one of `0.35`, `0.50`, `0.75`, `1.0`, "
      "`1.3` or `1.4` only; Received `alpha={}`",
      alpha));
}

Published published(double alpha, std::int64_t rows) {
  Published out = tf_kernels("mobilenet_v2", "mobilenet_v2");
  // One digit as Python writes 1.0, two where there are two.
  out.kept_file = out.file += fmt::format("_{}{}_{}", alpha, alpha == 1.0 ? ".0" : "", rows);
  out.kept_without_top = out.without_top = "_no_top";
  return out;
}

}  // namespace

std::shared_ptr<Functional> MobileNetV2(Options options) {
  takes_only(options, "MobileNetV2", {"alpha"});
  const double alpha = options.alpha.value_or(1.0);
  if (of_imagenet(options)) require_trained(alpha);
  const SymbolicTensor input =
      Input({.shape = image_shape(options, {trained_size(options, kTrainedRows), 32})});
  const std::int64_t rows =
      of_imagenet(options) ? trained_rows(input.shape(), kTrainedRows) : input.shape()[1];
  SymbolicTensor x = Conv2D({.filters = divisible_by_eight(32 * alpha),
                             .kernel_size = 3,
                             .strides = 2,
                             .padding = "same",
                             .use_bias = false,
                             .name = "Conv1"})(input);
  x = relu6(normalize(x, "bn_Conv1"), "Conv1_relu");
  x = all_blocks(x, alpha);
  // The last features only ever grow.
  x = Conv2D({.filters = alpha > 1 ? divisible_by_eight(1280 * alpha) : 1280,
              .kernel_size = 1,
              .use_bias = false,
              .name = "Conv_1"})(x);
  x = relu6(normalize(x, "Conv_1_bn"), "out_relu");
  return finish(input, head(x, options), options, name_with_alpha("mobilenetv2", alpha, rows),
                published(alpha, rows));
}

}  // namespace lamina::applications
