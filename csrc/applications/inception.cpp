#include "applications/inception.h"

namespace lamina::applications {

using namespace layers;

SymbolicTensor conv_units(SymbolicTensor x, const std::vector<ConvUnit>& units) {
  for (const ConvUnit& unit : units) {
    const auto named = [&unit](const char* end) {
      return unit.name.empty() ? std::string() : unit.name + end;
    };
    x = Conv2D({.filters = unit.filters,
                .kernel_size = unit.kernel,
                .strides = unit.stride,
                .padding = unit.padding,
                .use_bias = false,
                .name = unit.name})(x);
    x = BatchNormalization({.axis = 3, .scale = false, .name = named("_bn")})(x);
    x = Activation({.activation = "relu", .name = named("_ac")})(x);
  }
  return x;
}

SymbolicTensor averaged(const SymbolicTensor& x, std::int64_t filters) {
  const SymbolicTensor mean =
      AveragePooling2D({.pool_size = 3, .strides = 1, .padding = "same"})(x);
  return conv_units(mean, {{filters, 1}});
}

SymbolicTensor largest(const SymbolicTensor& x) {
  return MaxPooling2D({.pool_size = 3, .strides = 2})(x);
}

SymbolicTensor joined(const SymbolicTensors& branches, const std::string& name) {
  return Concatenate({.axis = 3, .name = name})(branches);
}

}  // namespace lamina::applications
