#include "applications/efficientnet_parts.h"

#include <algorithm>
#include <cmath>

#include "applications/parts.h"

namespace lamina::applications::efficientnet {

using namespace layers;

namespace {

Initializer conv_initializer() {
  return initializers::VarianceScaling{
      .scale = 2.0, .mode = "fan_out", .distribution = "truncated_normal"};
}

}  // namespace

std::int64_t round_repeats(std::int64_t repeats, double depth) {
  return static_cast<std::int64_t>(std::ceil(depth * static_cast<double>(repeats)));
}

std::string block_name(std::size_t stage, std::int64_t index) {
  return "block" + std::to_string(stage + 1) + static_cast<char>('a' + index) + "_";
}

SymbolicTensor convolve(const SymbolicTensor& x, std::int64_t filters, std::int64_t kernel,
                        std::int64_t stride, const std::string& name, const std::string& padding) {
  return Conv2D({.filters = filters,
                 .kernel_size = kernel,
                 .strides = stride,
                 .padding = padding,
                 .use_bias = false,
                 .kernel_initializer = conv_initializer(),
                 .name = name})(x);
}

SymbolicTensor depthwise(const SymbolicTensor& x, std::int64_t kernel, std::int64_t stride,
                         const std::string& name, const std::string& padding) {
  return DepthwiseConv2D({.kernel_size = kernel,
                          .strides = stride,
                          .padding = padding,
                          .use_bias = false,
                          .depthwise_initializer = conv_initializer(),
                          .name = name})(x);
}

SymbolicTensor swish(const SymbolicTensor& x, const std::string& name) {
  return Activation({.activation = "silu", .name = name})(x);
}

SymbolicTensor squeeze_excite(const SymbolicTensor& x, std::int64_t filters_in, double ratio,
                              const std::string& name) {
  const std::int64_t filters = x.shape()[-1];
  const auto reduced = static_cast<std::int64_t>(static_cast<double>(filters_in) * ratio);
  SymbolicTensor s = GlobalAveragePooling2D({.name = name + "se_squeeze"})(x);
  s = Reshape({.target_shape = {1, 1, filters}, .name = name + "se_reshape"})(s);
  s = Conv2D({.filters = std::max<std::int64_t>(1, reduced),
              .kernel_size = 1,
              .padding = "same",
              .activation = "silu",
              .kernel_initializer = conv_initializer(),
              .name = name + "se_reduce"})(s);
  s = Conv2D({.filters = filters,
              .kernel_size = 1,
              .padding = "same",
              .activation = "sigmoid",
              .kernel_initializer = conv_initializer(),
              .name = name + "se_expand"})(s);
  return Multiply({.name = name + "se_excite"})({x, s});
}

SymbolicTensor residual(SymbolicTensor x, const SymbolicTensor& input, double drop,
                        const std::string& name) {
  if (drop > 0) {
    x = Dropout({.rate = drop, .noise_shape = {kNone, 1, 1, 1}, .name = name + "drop"})(x);
  }
  return Add({.name = name + "add"})({x, input});
}

SymbolicTensor head(SymbolicTensor x, const Options& options, double dropout) {
  if (!options.include_top) return pooled(x, options, "avg_pool", "max_pool");
  x = GlobalAveragePooling2D({.name = "avg_pool"})(x);
  x = Dropout({.rate = dropout, .name = "top_dropout"})(x);
  return Dense({.units = options.classes,
                .activation = options.classifier_activation,
                .kernel_initializer =
                    initializers::VarianceScaling{
                        .scale = 1.0 / 3.0, .mode = "fan_out", .distribution = "uniform"},
                .name = "predictions"})(x);
}

}  // namespace lamina::applications::efficientnet
