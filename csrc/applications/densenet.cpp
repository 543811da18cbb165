#include <lamina/applications.h>

#include <array>

#include "applications/parts.h"

// DenseNet: dense blocks, of which each layer sees what all those before it gave, and transitions
// between them, which halve channels and sizes. Layer names are Keras's.
namespace lamina::applications {
namespace {

using namespace layers;

struct Variant {
  std::string_view function, name;
  std::array<std::int64_t, 4> layers;  // of each dense block
};

constexpr auto kVariants = std::to_array<Variant>({
    {"DenseNet121", "densenet121", {6, 12, 24, 16}},
    {"DenseNet169", "densenet169", {6, 12, 32, 32}},
    {"DenseNet201", "densenet201", {6, 12, 48, 32}},
});

constexpr std::int64_t kGrowth = 32;  // channels that a layer adds

SymbolicTensor conv(const SymbolicTensor& x, std::int64_t filters, std::int64_t kernel,
                    const std::string& name) {
  return Conv2D({.filters = filters,
                 .kernel_size = kernel,
                 .padding = kernel == 1 ? "valid" : "same",
                 .use_bias = false,
                 .name = name})(x);
}

SymbolicTensor bn_relu(const SymbolicTensor& x, const std::string& prefix) {
  const SymbolicTensor y =
      BatchNormalization({.axis = 3, .epsilon = 1.001e-5, .name = prefix + "bn"})(x);
  return Activation({.activation = "relu", .name = prefix + "relu"})(y);
}

SymbolicTensor dense_block(SymbolicTensor x, std::int64_t layers, const std::string& prefix) {
  for (std::int64_t i = 1; i <= layers; ++i) {
    const std::string name = prefix + "block" + std::to_string(i) + "_";
    SymbolicTensor y = conv(bn_relu(x, name + "0_"), 4 * kGrowth, 1, name + "1_conv");
    y = conv(bn_relu(y, name + "1_"), kGrowth, 3, name + "2_conv");
    x = Concatenate({.axis = 3, .name = name + "concat"})({x, y});
  }
  return x;
}

SymbolicTensor transition(const SymbolicTensor& x, const std::string& prefix) {
  const SymbolicTensor y = conv(bn_relu(x, prefix), x.shape()[-1] / 2, 1, prefix + "conv");
  return AveragePooling2D({.pool_size = 2, .strides = 2, .name = prefix + "pool"})(y);
}

std::shared_ptr<Functional> build(const Variant& variant, const Options& options) {
  takes_only(options, variant.function);
  const SymbolicTensor input = Input({.shape = image_shape(options, {224, 32})});
  SymbolicTensor x = ZeroPadding2D({.padding = 3})(input);
  x = Conv2D(
      {.filters = 64, .kernel_size = 7, .strides = 2, .use_bias = false, .name = "conv1_conv"})(x);
  x = ZeroPadding2D({.padding = 1})(bn_relu(x, "conv1_"));
  x = MaxPooling2D({.pool_size = 3, .strides = 2, .name = "pool1"})(x);
  for (std::size_t i = 0; i < variant.layers.size(); ++i) {
    if (i > 0) x = transition(x, "pool" + std::to_string(i + 1) + "_");
    x = dense_block(x, variant.layers[i], "conv" + std::to_string(i + 2) + "_");
  }
  x = classified(bn_relu(x, ""), options, "avg_pool", "max_pool");
  return finish(input, x, options, variant.name, tf_kernels("densenet", variant.name));
}

}  // namespace

std::shared_ptr<Functional> DenseNet121(Options options) {
  return build(kVariants[0], options);
}
std::shared_ptr<Functional> DenseNet169(Options options) {
  return build(kVariants[1], options);
}
std::shared_ptr<Functional> DenseNet201(Options options) {
  return build(kVariants[2], options);
}

}  // namespace lamina::applications
