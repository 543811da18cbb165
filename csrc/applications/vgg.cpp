#include <lamina/applications.h>

#include <algorithm>
#include <array>

#include "applications/parts.h"

// VGG: five blocks of 3x3 convolutions, each of which ends with a pooling that halves the image,
// then dense layers. Layer names are Keras's.
namespace lamina::applications {
namespace {

using namespace layers;

struct Variant {
  std::string_view function, name;
  std::array<std::int64_t, 5> convolutions;  // of each block
};

constexpr Variant kVgg16 = {"VGG16", "vgg16", {2, 2, 3, 3, 3}};
constexpr Variant kVgg19 = {"VGG19", "vgg19", {2, 2, 4, 4, 4}};

SymbolicTensor block(SymbolicTensor x, std::int64_t filters, std::int64_t convolutions,
                     const std::string& name) {
  for (std::int64_t i = 1; i <= convolutions; ++i) {
    x = Conv2D({.filters = filters,
                .kernel_size = 3,
                .padding = "same",
                .activation = "relu",
                .name = name + "conv" + std::to_string(i)})(x);
  }
  return MaxPooling2D({.pool_size = 2, .strides = 2, .name = name + "pool"})(x);
}

SymbolicTensor head(SymbolicTensor x, const Options& options) {
  if (!options.include_top) return pooled(x, options);
  x = Flatten({.name = "flatten"})(x);
  x = Dense({.units = 4096, .activation = "relu", .name = "fc1"})(x);
  x = Dense({.units = 4096, .activation = "relu", .name = "fc2"})(x);
  return predictions(x, options);
}

std::shared_ptr<Functional> build(const Variant& variant, const Options& options) {
  takes_only(options, variant.function);
  const SymbolicTensor input = Input({.shape = image_shape(options, {.own = 224, .smallest = 32})});
  SymbolicTensor x = input;
  std::int64_t filters = 64;
  for (std::size_t i = 0; i < variant.convolutions.size(); ++i) {
    x = block(x, filters, variant.convolutions[i], "block" + std::to_string(i + 1) + "_");
    filters = std::min<std::int64_t>(2 * filters, 512);
  }
  return finish(input, head(x, options), options, variant.name,
                tf_kernels(variant.name, variant.name));
}

}  // namespace

std::shared_ptr<Functional> VGG16(Options options) {
  return build(kVgg16, options);
}
std::shared_ptr<Functional> VGG19(Options options) {
  return build(kVgg19, options);
}

}  // namespace lamina::applications
