#include <lamina/applications.h>

#include <initializer_list>

#include "applications/parts.h"

// Xception: blocks of separable convolutions with residuals, the first and the last but one of
// which halve the sizes. Layer names are Keras's.
namespace lamina::applications {
namespace {

using namespace layers;

SymbolicTensor bn_relu(const SymbolicTensor& x, const std::string& name) {
  const SymbolicTensor y = BatchNormalization({.name = name + "_bn"})(x);
  return Activation({.activation = "relu", .name = name + "_act"})(y);
}

SymbolicTensor separable(const SymbolicTensor& x, std::int64_t filters, const std::string& name) {
  return SeparableConv2D(
      {.filters = filters, .kernel_size = 3, .padding = "same", .use_bias = false, .name = name})(
      x);
}

// The second block, whose input is activated already, leaves out the first activation.
SymbolicTensor convolutions(SymbolicTensor x, int block,
                            std::initializer_list<std::int64_t> filters) {
  int i = 0;
  for (const std::int64_t count : filters) {
    const std::string name = "block" + std::to_string(block) + "_sepconv" + std::to_string(++i);
    if (block != 2 || i > 1) x = Activation({.activation = "relu", .name = name + "_act"})(x);
    x = BatchNormalization({.name = name + "_bn"})(separable(x, count, name));
  }
  return x;
}

// Of `between` and `filters` channels; at half the size.
SymbolicTensor halving_block(const SymbolicTensor& x, int block, std::int64_t between,
                             std::int64_t filters) {
  SymbolicTensor residual = Conv2D(
      {.filters = filters, .kernel_size = 1, .strides = 2, .padding = "same", .use_bias = false})(
      x);
  residual = BatchNormalization()(residual);
  const SymbolicTensor y = MaxPooling2D({.pool_size = 3,
                                         .strides = 2,
                                         .padding = "same",
                                         .name = "block" + std::to_string(block) + "_pool"})(
      convolutions(x, block, {between, filters}));
  return Add()({y, residual});
}

}  // namespace

std::shared_ptr<Functional> Xception(Options options) {
  takes_only(options, "Xception");
  const SymbolicTensor input = Input({.shape = image_shape(options, {299, 71})});
  SymbolicTensor x = Conv2D(
      {.filters = 32, .kernel_size = 3, .strides = 2, .use_bias = false, .name = "block1_conv1"})(
      input);
  x = Conv2D({.filters = 64, .kernel_size = 3, .use_bias = false, .name = "block1_conv2"})(
      bn_relu(x, "block1_conv1"));
  x = bn_relu(x, "block1_conv2");
  x = halving_block(x, 2, 128, 128);
  x = halving_block(x, 3, 256, 256);
  x = halving_block(x, 4, 728, 728);
  for (int block = 5; block < 13; ++block) {
    x = Add()({convolutions(x, block, {728, 728, 728}), x});
  }
  x = halving_block(x, 13, 728, 1024);
  x = bn_relu(separable(x, 1536, "block14_sepconv1"), "block14_sepconv1");
  x = bn_relu(separable(x, 2048, "block14_sepconv2"), "block14_sepconv2");
  return finish(input, classified(x, options), options, "xception",
                tf_kernels("xception", "xception"));
}

}  // namespace lamina::applications
