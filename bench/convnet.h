#pragma once
#include <lamina/lamina.h>

#include <random>

#include "bench/networks.h"

namespace lamina::bench {

/// Three blocks of convolution, batch normalisation and ReLU; peers build the same.
inline ModelPtr convnet(std::int64_t size) {
  auto x = layers::Input({.shape = {size, size, 3}});
  auto y = x;
  for (const std::int64_t filters : {32, 64, 128}) {
    y = layers::Conv2D(
        {.filters = filters, .kernel_size = 3, .padding = "same", .use_bias = false})(y);
    y = layers::Activation({.activation = "relu"})(layers::BatchNormalization()(y));
    y = layers::MaxPooling2D({.pool_size = 2})(y);
  }
  y = layers::Dense({.units = 128, .activation = "relu"})(layers::Flatten()(y));
  return Functional::create(x, layers::Dense({.units = 10})(y));
}

/// "convnet", one of networks.h, or an application; all give logits.
inline ModelPtr trained_model(const std::string& name, std::int64_t size) {
  if (name == "convnet") return convnet(size);
  if (name == "transformer") return transformer(size);
  if (name == "mlp") return mlp(size);
  if (name == "text_convnet") return text_convnet(size);
  if (name == "depthwise") return depthwise(size);
  applications::Options options;
  options.input_shape = Shape{size, size, 3};
  options.classifier_activation = "linear";
  return applications::by_name(name, options);
}

inline Tensor random_tensor(Shape shape) {
  Tensor tensor = Tensor::empty(std::move(shape));
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  for (float& value : tensor.data<float>()) value = normal(random);
  return tensor;
}

/// What a model of one input takes: numbers, or words.
inline Tensor random_batch(const Model& model, std::int64_t batch) {
  Shape shape = model.inputs()[0].shape();
  shape[0] = batch;
  if (model.inputs()[0].dtype() != DType::kInt32) return random_tensor(std::move(shape));
  Tensor words = Tensor::empty(std::move(shape), DType::kInt32);
  std::mt19937 random(7);
  std::uniform_int_distribution<std::int32_t> word(0, kWords - 1);
  for (std::int32_t& each : words.data<std::int32_t>()) each = word(random);
  return words;
}

}  // namespace lamina::bench
