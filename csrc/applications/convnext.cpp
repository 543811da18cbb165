#include <lamina/applications.h>
#include <lamina/ops.h>

#include <array>

#include "applications/parts.h"

// ConvNeXt: four stages of residual blocks, each behind a convolution that makes the image smaller.
// Layer names are Keras's, which begin with the model's.
namespace lamina::applications {
namespace {

using namespace layers;

constexpr std::size_t kStages = 4;

struct Variant {
  std::string_view function, name;
  std::array<int, kStages> depths;
  std::array<std::int64_t, kStages> filters;
};

constexpr auto kVariants = std::to_array<Variant>({
    {"ConvNeXtTiny", "convnext_tiny", {3, 3, 9, 3}, {96, 192, 384, 768}},
    {"ConvNeXtSmall", "convnext_small", {3, 3, 27, 3}, {96, 192, 384, 768}},
    {"ConvNeXtBase", "convnext_base", {3, 3, 27, 3}, {128, 256, 512, 1024}},
    {"ConvNeXtLarge", "convnext_large", {3, 3, 27, 3}, {192, 384, 768, 1536}},
    {"ConvNeXtXLarge", "convnext_xlarge", {3, 3, 27, 3}, {256, 512, 1024, 2048}},
});

LayerRef normalization(const std::string& name = {}) {
  return LayerNormalization({.epsilon = 1e-6, .name = name});
}

// Patches of `size`, each of which becomes one place.
LayerRef patches(std::int64_t filters, std::int64_t size, const std::string& name) {
  return Conv2D({.filters = filters, .kernel_size = size, .strides = size, .name = name});
}

// What is before each stage. All of them are made before any is applied, as Keras's are.
std::array<ModelPtr, kStages> downsampling(const Variant& variant, const std::string& name) {
  std::array<ModelPtr, kStages> models;
  models[0] = Sequential::create({patches(variant.filters[0], 4, name + "_stem_conv"),
                                  normalization(name + "_stem_layernorm")},
                                 {.name = name + "_stem"});
  for (std::size_t i = 1; i < kStages; ++i) {
    const std::string number = std::to_string(i - 1), prefix = name + "_downsampling_";
    models[i] = Sequential::create({normalization(prefix + "layernorm_" + number),
                                    patches(variant.filters[i], 2, prefix + "conv_" + number)},
                                   {.name = prefix + "block_" + number});
  }
  return models;
}

SymbolicTensor block(const SymbolicTensor& input, std::int64_t filters, const std::string& name) {
  SymbolicTensor x = Conv2D({.filters = filters,
                             .kernel_size = 7,
                             .padding = "same",
                             .groups = filters,
                             .name = name + "_depthwise_conv"})(input);
  x = normalization(name + "_layernorm")(x);
  x = Dense({.units = 4 * filters, .name = name + "_pointwise_conv_1"})(x);
  x = Activation({.activation = "gelu", .name = name + "_gelu"})(x);
  x = Dense({.units = filters, .name = name + "_pointwise_conv_2"})(x);
  x = LayerScale({.init_values = 1e-6, .projection_dim = filters, .name = name + "_layer_scale"})(
      x);
  // Keras's place for StochasticDepth, whose rate is 0 in all of these models.
  x = Activation({.activation = "linear", .name = name + "_identity"})(x);
  return input + x;
}

SymbolicTensor normalized_colors(const SymbolicTensor& x, const std::string& name) {
  const auto square = [](double value) { return value * value; };
  return Normalization({.mean = {0.485 * 255, 0.456 * 255, 0.406 * 255},
                        .variance = {square(0.229 * 255), square(0.224 * 255), square(0.225 * 255)},
                        .name = name + "_prestem_normalization"})(x);
}

SymbolicTensor head(SymbolicTensor x, const Options& options, const std::string& name) {
  if (!options.include_top) return normalization()(pooled(x, options));
  x = GlobalAveragePooling2D({.name = name + "_head_gap"})(x);
  x = normalization(name + "_head_layernorm")(x);
  return Dense({.units = options.classes,
                .activation = options.classifier_activation,
                .name = name + "_head_dense"})(x);
}

std::shared_ptr<Functional> build(const Variant& variant, const Options& options) {
  takes_only(options, variant.function, {"include_preprocessing"});
  const std::string name = options.name.empty() ? std::string(variant.name) : options.name;
  const SymbolicTensor input = Input({.shape = image_shape(options, {224, 32})});
  SymbolicTensor x = input;
  if (options.include_preprocessing.value_or(true) && x.shape()[-1] == 3) {
    x = normalized_colors(x, name);
  }
  const auto before = downsampling(variant, name);
  for (std::size_t stage = 0; stage < kStages; ++stage) {
    x = (*before[stage])(x);
    const std::string prefix = name + "_stage_" + std::to_string(stage) + "_block_";
    for (int i = 0; i < variant.depths[stage]; ++i) {
      x = block(x, variant.filters[stage], prefix + std::to_string(i));
    }
  }
  return finish(
      input, head(x, options, name), options, variant.name,
      {.folder = "tensorflow/keras-applications/convnext/", .file = std::string(variant.name)});
}

}  // namespace

std::shared_ptr<Functional> ConvNeXtTiny(Options options) {
  return build(kVariants[0], options);
}
std::shared_ptr<Functional> ConvNeXtSmall(Options options) {
  return build(kVariants[1], options);
}
std::shared_ptr<Functional> ConvNeXtBase(Options options) {
  return build(kVariants[2], options);
}
std::shared_ptr<Functional> ConvNeXtLarge(Options options) {
  return build(kVariants[3], options);
}
std::shared_ptr<Functional> ConvNeXtXLarge(Options options) {
  return build(kVariants[4], options);
}

}  // namespace lamina::applications
