#include <lamina/applications.h>

#include <array>
#include <cmath>
#include <span>
#include <vector>

#include "applications/efficientnet_parts.h"
#include "applications/parts.h"

// EfficientNet: a stem, stages of inverted bottlenecks that squeeze and excite, and a head; one
// architecture, whose width and depth the variants scale. Layer names are Keras's.
namespace lamina::applications {
namespace {

using namespace layers;
using namespace efficientnet;

struct Stage {
  std::int64_t kernel, repeats, filters_in, filters_out, expand, stride;
};

constexpr auto kStages = std::to_array<Stage>({{3, 1, 32, 16, 1, 1},
                                               {3, 2, 16, 24, 6, 2},
                                               {5, 2, 24, 40, 6, 2},
                                               {3, 3, 40, 80, 6, 2},
                                               {5, 3, 80, 112, 6, 1},
                                               {5, 4, 112, 192, 6, 2},
                                               {3, 1, 192, 320, 6, 1}});

struct Variant {
  std::string_view function, name;
  double width, depth;
  std::int64_t size;
  double dropout;
};

constexpr auto kVariants = std::to_array<Variant>({
    {"EfficientNetB0", "efficientnetb0", 1.0, 1.0, 224, 0.2},
    {"EfficientNetB1", "efficientnetb1", 1.0, 1.1, 240, 0.2},
    {"EfficientNetB2", "efficientnetb2", 1.1, 1.2, 260, 0.3},
    {"EfficientNetB3", "efficientnetb3", 1.2, 1.4, 300, 0.3},
    {"EfficientNetB4", "efficientnetb4", 1.4, 1.8, 380, 0.4},
    {"EfficientNetB5", "efficientnetb5", 1.6, 2.2, 456, 0.4},
    {"EfficientNetB6", "efficientnetb6", 1.8, 2.6, 528, 0.5},
    {"EfficientNetB7", "efficientnetb7", 2.0, 3.1, 600, 0.5},
});

constexpr double kSqueeze = 0.25;

std::int64_t round_filters(std::int64_t filters, double width) {
  return divisible_by_eight(static_cast<double>(filters) * width);
}

// Batch normalisation and swish.
SymbolicTensor activated(const SymbolicTensor& x, const std::string& bn,
                         const std::string& activation) {
  return swish(BatchNormalization({.name = bn})(x), activation);
}

// `stage` with rounded filters and this block's stride. `drop`: rate on the residual path.
SymbolicTensor block(const SymbolicTensor& input, const Stage& stage, double drop,
                     const std::string& name) {
  SymbolicTensor x = input;
  if (stage.expand != 1) {
    x = convolve(x, stage.filters_in * stage.expand, 1, 1, name + "expand_conv");
    x = activated(x, name + "expand_bn", name + "expand_activation");
  }
  if (stage.stride == 2) {
    x = ZeroPadding2D({.padding = correct_pad(x, stage.kernel), .name = name + "dwconv_pad"})(x);
  }
  x = depthwise(x, stage.kernel, stage.stride, name + "dwconv",
                stage.stride == 1 ? "same" : "valid");
  x = activated(x, name + "bn", name + "activation");
  x = squeeze_excite(x, stage.filters_in, kSqueeze, name);
  x = convolve(x, stage.filters_out, 1, 1, name + "project_conv");
  x = BatchNormalization({.name = name + "project_bn"})(x);
  if (stage.stride != 1 || stage.filters_in != stage.filters_out) return x;
  return residual(x, input, drop, name);
}

SymbolicTensor all_blocks(const SymbolicTensor& x, const Variant& variant) {
  const std::vector<Stage> stages =
      scaled(std::span<const Stage>(kStages), variant.depth,
             [&](std::int64_t filters) { return round_filters(filters, variant.width); });
  return in_stages(x, stages, blocks_of(stages), block);
}

std::shared_ptr<Functional> build(const Variant& variant, const Options& options) {
  takes_only(options, variant.function);
  const SymbolicTensor input = Input({.shape = image_shape(options, {variant.size, 32})});
  SymbolicTensor x = Rescaling({.scale = 1.0 / 255.0})(input);
  x = Normalization({.axis = 3})(x);
  // Where they were trained the channels were divided by their variances, Normalization divides by
  // their standard deviations.
  if (of_imagenet(options)) {
    x = Rescaling({.scale = {1 / std::sqrt(0.229), 1 / std::sqrt(0.224), 1 / std::sqrt(0.225)}})(x);
  }
  x = ZeroPadding2D({.padding = correct_pad(x, 3), .name = "stem_conv_pad"})(x);
  x = convolve(x, round_filters(32, variant.width), 3, 2, "stem_conv", "valid");
  x = activated(x, "stem_bn", "stem_activation");
  x = all_blocks(x, variant);
  x = convolve(x, round_filters(1280, variant.width), 1, 1, "top_conv");
  x = activated(x, "top_bn", "top_activation");
  return finish(input, head(x, options, variant.dropout), options, variant.name,
                {.folder = "keras-applications/", .file = std::string(variant.name)});
}

}  // namespace

std::shared_ptr<Functional> EfficientNetB0(Options options) {
  return build(kVariants[0], options);
}
std::shared_ptr<Functional> EfficientNetB1(Options options) {
  return build(kVariants[1], options);
}
std::shared_ptr<Functional> EfficientNetB2(Options options) {
  return build(kVariants[2], options);
}
std::shared_ptr<Functional> EfficientNetB3(Options options) {
  return build(kVariants[3], options);
}
std::shared_ptr<Functional> EfficientNetB4(Options options) {
  return build(kVariants[4], options);
}
std::shared_ptr<Functional> EfficientNetB5(Options options) {
  return build(kVariants[5], options);
}
std::shared_ptr<Functional> EfficientNetB6(Options options) {
  return build(kVariants[6], options);
}
std::shared_ptr<Functional> EfficientNetB7(Options options) {
  return build(kVariants[7], options);
}

}  // namespace lamina::applications
