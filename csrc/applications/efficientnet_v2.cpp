#include <lamina/applications.h>

#include <algorithm>
#include <array>
#include <span>
#include <vector>

#include "applications/efficientnet_parts.h"
#include "applications/parts.h"

// EfficientNetV2: a stem, stages of inverted bottlenecks (the first stages "fused": one full
// convolution in place of expansion and depthwise convolution), and a head. Layer names are
// Keras's.
namespace lamina::applications {
namespace {

using namespace layers;
using namespace efficientnet;

struct Stage {
  std::int64_t kernel, repeats, filters_in, filters_out, expand;
  double squeeze;  // squeeze-and-excite ratio, 0: none
  std::int64_t stride;
  bool fused;
};

constexpr auto kStagesB = std::to_array<Stage>({{3, 1, 32, 16, 1, 0, 1, true},
                                                {3, 2, 16, 32, 4, 0, 2, true},
                                                {3, 2, 32, 48, 4, 0, 2, true},
                                                {3, 3, 48, 96, 4, 0.25, 2, false},
                                                {3, 5, 96, 112, 6, 0.25, 1, false},
                                                {3, 8, 112, 192, 6, 0.25, 2, false}});
constexpr auto kStagesS = std::to_array<Stage>({{3, 2, 24, 24, 1, 0, 1, true},
                                                {3, 4, 24, 48, 4, 0, 2, true},
                                                {3, 4, 48, 64, 4, 0, 2, true},
                                                {3, 6, 64, 128, 4, 0.25, 2, false},
                                                {3, 9, 128, 160, 6, 0.25, 1, false},
                                                {3, 15, 160, 256, 6, 0.25, 2, false}});
constexpr auto kStagesM = std::to_array<Stage>({{3, 3, 24, 24, 1, 0, 1, true},
                                                {3, 5, 24, 48, 4, 0, 2, true},
                                                {3, 5, 48, 80, 4, 0, 2, true},
                                                {3, 7, 80, 160, 4, 0.25, 2, false},
                                                {3, 14, 160, 176, 6, 0.25, 1, false},
                                                {3, 18, 176, 304, 6, 0.25, 2, false},
                                                {3, 5, 304, 512, 6, 0.25, 1, false}});
constexpr auto kStagesL = std::to_array<Stage>({{3, 4, 32, 32, 1, 0, 1, true},
                                                {3, 7, 32, 64, 4, 0, 2, true},
                                                {3, 7, 64, 96, 4, 0, 2, true},
                                                {3, 10, 96, 192, 4, 0.25, 2, false},
                                                {3, 19, 192, 224, 6, 0.25, 1, false},
                                                {3, 25, 224, 384, 6, 0.25, 2, false},
                                                {3, 7, 384, 640, 6, 0.25, 1, false}});

struct Variant {
  std::string_view function, name;
  double width, depth;
  std::int64_t size;
  std::span<const Stage> stages;
  bool imagenet_statistics;  // B0 to B3 normalise with ImageNet's mean and variance
};

constexpr auto kVariants = std::to_array<Variant>({
    {"EfficientNetV2B0", "efficientnetv2-b0", 1.0, 1.0, 224, kStagesB, true},
    {"EfficientNetV2B1", "efficientnetv2-b1", 1.0, 1.1, 240, kStagesB, true},
    {"EfficientNetV2B2", "efficientnetv2-b2", 1.1, 1.2, 260, kStagesB, true},
    {"EfficientNetV2B3", "efficientnetv2-b3", 1.2, 1.4, 300, kStagesB, true},
    {"EfficientNetV2S", "efficientnetv2-s", 1.0, 1.0, 384, kStagesS, false},
    {"EfficientNetV2M", "efficientnetv2-m", 1.0, 1.0, 480, kStagesM, false},
    {"EfficientNetV2L", "efficientnetv2-l", 1.0, 1.0, 480, kStagesL, false},
});

constexpr double kTopDropout = 0.2;

// Filters in steps of eight, scaled by the variant's width.
std::int64_t round_filters(std::int64_t filters, double width) {
  const double scaled = static_cast<double>(filters) * width;
  return std::max<std::int64_t>(8, static_cast<std::int64_t>(scaled + 4) / 8 * 8);
}

// Convolution without bias, batch normalisation and, where named, an activation.
SymbolicTensor conv_bn(const SymbolicTensor& x, std::int64_t filters, std::int64_t kernel,
                       std::int64_t stride, const std::string& conv, const std::string& bn,
                       const std::string& activation) {
  SymbolicTensor y = convolve(x, filters, kernel, stride, conv);
  y = BatchNormalization({.momentum = 0.9, .name = bn})(y);
  return activation.empty() ? y : swish(y, activation);
}

// `stage` with rounded filters and this block's stride. `drop`: rate on the residual path, 0: none.
SymbolicTensor block(const SymbolicTensor& input, const Stage& stage, double drop,
                     const std::string& name) {
  const std::int64_t filters = stage.filters_in * stage.expand;
  SymbolicTensor x = input;
  if (stage.expand != 1) {
    x = conv_bn(x, filters, stage.fused ? stage.kernel : 1, stage.fused ? stage.stride : 1,
                name + "expand_conv", name + "expand_bn", name + "expand_activation");
  }
  if (!stage.fused) {
    x = depthwise(x, stage.kernel, stage.stride, name + "dwconv2");
    x = BatchNormalization({.momentum = 0.9, .name = name + "bn"})(x);
    x = swish(x, name + "activation");
  }
  if (stage.squeeze > 0) x = squeeze_excite(x, stage.filters_in, stage.squeeze, name);
  const bool only_conv = stage.fused && stage.expand == 1;
  x = conv_bn(x, stage.filters_out, only_conv ? stage.kernel : 1, only_conv ? stage.stride : 1,
              name + "project_conv", name + "project_bn",
              only_conv ? name + "project_activation" : "");
  if (stage.stride != 1 || stage.filters_in != stage.filters_out) return x;
  return residual(x, input, drop, name);
}

SymbolicTensor all_blocks(const SymbolicTensor& x, const Variant& variant) {
  const std::vector<Stage> stages =
      scaled(variant.stages, variant.depth,
             [&](std::int64_t filters) { return round_filters(filters, variant.width); });
  // Keras counts the blocks before their number is scaled.
  return in_stages(x, stages, blocks_of(variant.stages), block);
}

SymbolicTensor preprocess(const SymbolicTensor& x, const Variant& variant) {
  if (!variant.imagenet_statistics || x.shape()[-1] != 3) {
    return Rescaling({.scale = 1.0 / 128.0, .offset = -1.0})(x);
  }
  const SymbolicTensor scaled = Rescaling({.scale = 1.0 / 255})(x);
  return Normalization({.axis = 3,
                        .mean = {0.485, 0.456, 0.406},
                        .variance = {0.229 * 0.229, 0.224 * 0.224, 0.225 * 0.225}})(scaled);
}

std::shared_ptr<Functional> build(const Variant& variant, const Options& options) {
  takes_only(options, variant.function, {"include_preprocessing"});
  const SymbolicTensor input = Input({.shape = image_shape(options, {variant.size, 32})});
  SymbolicTensor x =
      options.include_preprocessing.value_or(true) ? preprocess(input, variant) : input;
  x = conv_bn(x, round_filters(variant.stages[0].filters_in, variant.width), 3, 2, "stem_conv",
              "stem_bn", "stem_activation");
  x = all_blocks(x, variant);
  x = conv_bn(x, round_filters(1280, variant.width), 1, 1, "top_conv", "top_bn", "top_activation");
  return finish(input, head(x, options, kTopDropout), options, variant.name,
                {.folder = "tensorflow/keras-applications/efficientnet_v2/",
                 .file = std::string(variant.name)});
}

}  // namespace

std::shared_ptr<Functional> EfficientNetV2B0(Options options) {
  return build(kVariants[0], options);
}
std::shared_ptr<Functional> EfficientNetV2B1(Options options) {
  return build(kVariants[1], options);
}
std::shared_ptr<Functional> EfficientNetV2B2(Options options) {
  return build(kVariants[2], options);
}
std::shared_ptr<Functional> EfficientNetV2B3(Options options) {
  return build(kVariants[3], options);
}
std::shared_ptr<Functional> EfficientNetV2S(Options options) {
  return build(kVariants[4], options);
}
std::shared_ptr<Functional> EfficientNetV2M(Options options) {
  return build(kVariants[5], options);
}
std::shared_ptr<Functional> EfficientNetV2L(Options options) {
  return build(kVariants[6], options);
}

}  // namespace lamina::applications
