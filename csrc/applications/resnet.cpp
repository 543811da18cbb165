#include <lamina/applications.h>

#include <array>

#include "applications/parts.h"

// ResNet and ResNetV2: a stem, four stages of bottlenecks with shortcuts around them, and a head.
// V2 normalises in front of the convolutions and halves the image where a stage ends, ResNet behind
// them and where one begins. Layer names are Keras's.
namespace lamina::applications {
namespace {

using namespace layers;

struct Variant {
  std::string_view function, name;
  std::array<std::int64_t, 4> blocks;  // of each stage
  bool preactivation;                  // V2
};

constexpr auto kVariants = std::to_array<Variant>({
    {"ResNet50", "resnet50", {3, 4, 6, 3}, false},
    {"ResNet101", "resnet101", {3, 4, 23, 3}, false},
    {"ResNet152", "resnet152", {3, 8, 36, 3}, false},
    {"ResNet50V2", "resnet50v2", {3, 4, 6, 3}, true},
    {"ResNet101V2", "resnet101v2", {3, 4, 23, 3}, true},
    {"ResNet152V2", "resnet152v2", {3, 8, 36, 3}, true},
});

struct Block {
  std::int64_t filters, stride;
  bool project;  // a convolution in the shortcut
  std::string name;
};

SymbolicTensor normalized(const SymbolicTensor& x, const std::string& name) {
  return BatchNormalization({.axis = 3, .epsilon = 1.001e-5, .name = name + "bn"})(x);
}

SymbolicTensor normalized_relu(const SymbolicTensor& x, const std::string& name) {
  return Activation({.activation = "relu", .name = name + "relu"})(normalized(x, name));
}

SymbolicTensor pointwise(const SymbolicTensor& x, std::int64_t filters, std::int64_t stride,
                         const std::string& name, bool use_bias = true) {
  return Conv2D({.filters = filters,
                 .kernel_size = 1,
                 .strides = stride,
                 .use_bias = use_bias,
                 .name = name + "conv"})(x);
}

SymbolicTensor block_v1(const SymbolicTensor& input, const Block& block) {
  SymbolicTensor shortcut = input;
  if (block.project) {
    const std::string name = block.name + "0_";
    shortcut = normalized(pointwise(input, 4 * block.filters, block.stride, name), name);
  }
  SymbolicTensor x = pointwise(input, block.filters, block.stride, block.name + "1_");
  x = normalized_relu(x, block.name + "1_");
  x = Conv2D({.filters = block.filters,
              .kernel_size = 3,
              .padding = "same",
              .name = block.name + "2_conv"})(x);
  x = normalized_relu(x, block.name + "2_");
  x = normalized(pointwise(x, 4 * block.filters, 1, block.name + "3_"), block.name + "3_");
  x = Add({.name = block.name + "add"})({shortcut, x});
  return Activation({.activation = "relu", .name = block.name + "out"})(x);
}

SymbolicTensor block_v2(const SymbolicTensor& input, const Block& block) {
  const SymbolicTensor active = normalized_relu(input, block.name + "preact_");
  SymbolicTensor shortcut = input;
  if (block.project) {
    shortcut = pointwise(active, 4 * block.filters, block.stride, block.name + "0_");
  } else if (block.stride > 1) {
    shortcut = MaxPooling2D({.pool_size = 1, .strides = block.stride})(input);
  }
  SymbolicTensor x = pointwise(active, block.filters, 1, block.name + "1_", false);
  x = normalized_relu(x, block.name + "1_");
  x = ZeroPadding2D({.padding = 1, .name = block.name + "2_pad"})(x);
  x = Conv2D({.filters = block.filters,
              .kernel_size = 3,
              .strides = block.stride,
              .use_bias = false,
              .name = block.name + "2_conv"})(x);
  x = normalized_relu(x, block.name + "2_");
  x = pointwise(x, 4 * block.filters, 1, block.name + "3_");
  return Add({.name = block.name + "out"})({shortcut, x});
}

SymbolicTensor all_blocks(SymbolicTensor x, const Variant& variant) {
  std::int64_t filters = 64;
  for (std::size_t i = 0; i < variant.blocks.size(); ++i, filters *= 2) {
    const std::int64_t last = variant.blocks[i];
    for (std::int64_t j = 1; j <= last; ++j) {
      // Behind the stem and in front of the head the image keeps its size.
      const bool halves =
          variant.preactivation ? j == last && i + 1 < variant.blocks.size() : j == 1 && i > 0;
      const Block block = {
          .filters = filters,
          .stride = halves ? 2 : 1,
          .project = j == 1,
          .name = "conv" + std::to_string(i + 2) + "_block" + std::to_string(j) + "_"};
      x = variant.preactivation ? block_v2(x, block) : block_v1(x, block);
    }
  }
  return x;
}

std::shared_ptr<Functional> build(const Variant& variant, const Options& options) {
  takes_only(options, variant.function);
  const SymbolicTensor input = Input({.shape = image_shape(options, {.own = 224, .smallest = 32})});
  SymbolicTensor x = ZeroPadding2D({.padding = 3, .name = "conv1_pad"})(input);
  x = Conv2D({.filters = 64, .kernel_size = 7, .strides = 2, .name = "conv1_conv"})(x);
  if (!variant.preactivation) x = normalized_relu(x, "conv1_");
  x = ZeroPadding2D({.padding = 1, .name = "pool1_pad"})(x);
  x = MaxPooling2D({.pool_size = 3, .strides = 2, .name = "pool1_pool"})(x);
  x = all_blocks(x, variant);
  if (variant.preactivation) x = normalized_relu(x, "post_");
  x = classified(x, options, "avg_pool", "max_pool");
  return finish(input, x, options, variant.name, tf_kernels("resnet", variant.name));
}

}  // namespace

std::shared_ptr<Functional> ResNet50(Options options) {
  return build(kVariants[0], options);
}
std::shared_ptr<Functional> ResNet101(Options options) {
  return build(kVariants[1], options);
}
std::shared_ptr<Functional> ResNet152(Options options) {
  return build(kVariants[2], options);
}
std::shared_ptr<Functional> ResNet50V2(Options options) {
  return build(kVariants[3], options);
}
std::shared_ptr<Functional> ResNet101V2(Options options) {
  return build(kVariants[4], options);
}
std::shared_ptr<Functional> ResNet152V2(Options options) {
  return build(kVariants[5], options);
}

}  // namespace lamina::applications
