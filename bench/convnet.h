#pragma once
#include <lamina/lamina.h>

#include <random>

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

/// "convnet", or an application; both give logits.
inline ModelPtr trained_model(const std::string& name, std::int64_t size) {
  if (name == "convnet") return convnet(size);
  applications::EfficientNetV2Options options;
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

}  // namespace lamina::bench
