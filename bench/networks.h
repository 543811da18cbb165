#pragma once
#include <lamina/lamina.h>

namespace lamina::bench {

// Small networks of other kinds than the applications; train_peers.py builds the same.

inline constexpr std::int32_t kWords = 8192;

/// Two blocks of an encoder on sequences of `size` words: 128 features, 8 heads.
inline ModelPtr transformer(std::int64_t size) {
  auto x = layers::Input({.shape = {size}, .dtype = "int32"});
  auto h = layers::Embedding({.input_dim = kWords, .output_dim = 128})(x);
  for (int block = 0; block < 2; ++block) {
    const auto n = layers::LayerNormalization()(h);
    auto part = layers::MultiHeadAttention({.num_heads = 8, .key_dim = 16})({n, n});
    h = layers::Add()({h, layers::Dropout({.rate = 0.1})(part)});
    part = layers::Dense({.units = 512, .activation = "gelu"})(layers::LayerNormalization()(h));
    part = layers::Dense({.units = 128})(part);
    h = layers::Add()({h, layers::Dropout({.rate = 0.1})(part)});
  }
  h = layers::GlobalAveragePooling1D()(layers::LayerNormalization()(h));
  return Functional::create(x, layers::Dense({.units = 10})(h));
}

/// Rows of `size` numbers through two hidden layers of 256.
inline ModelPtr mlp(std::int64_t size) {
  auto x = layers::Input({.shape = {size}});
  auto h = layers::Dense({.units = 256, .activation = "relu"})(x);
  h = layers::Dense({.units = 256, .activation = "relu"})(h);
  return Functional::create(x, layers::Dense({.units = 10})(h));
}

/// Convolutions along sequences of `size` words.
inline ModelPtr text_convnet(std::int64_t size) {
  auto x = layers::Input({.shape = {size}, .dtype = "int32"});
  auto h = layers::Embedding({.input_dim = kWords, .output_dim = 64})(x);
  h = layers::Dropout({.rate = 0.2})(h);
  for (int block = 0; block < 2; ++block) {
    h = layers::Conv1D({.filters = 128, .kernel_size = 5, .padding = "same", .activation = "relu"})(
        h);
    h = layers::MaxPooling1D({.pool_size = 2})(h);
  }
  h = layers::Dense({.units = 64, .activation = "relu"})(layers::GlobalMaxPooling1D()(h));
  return Functional::create(x, layers::Dense({.units = 10})(h));
}

/// Depthwise convolutions among pointwise ones, as in MobileNet.
inline ModelPtr depthwise(std::int64_t size) {
  auto x = layers::Input({.shape = {size, size, 3}});
  const auto activated = [](const SymbolicTensor& y) {
    return layers::Activation({.activation = "relu6"})(layers::BatchNormalization()(y));
  };
  auto h = activated(layers::Conv2D(
      {.filters = 32, .kernel_size = 3, .strides = 2, .padding = "same", .use_bias = false})(x));
  for (const std::int64_t filters : {64, 128, 128, 256, 256}) {
    const std::int64_t strides = filters > h.shape()[3] ? 2 : 1;
    h = activated(layers::DepthwiseConv2D(
        {.kernel_size = 3, .strides = strides, .padding = "same", .use_bias = false})(h));
    h = activated(layers::Conv2D({.filters = filters, .kernel_size = 1, .use_bias = false})(h));
  }
  return Functional::create(x, layers::Dense({.units = 10})(layers::GlobalAveragePooling2D()(h)));
}

}  // namespace lamina::bench
