#pragma once
#include <lamina/layers.h>

#include <string>
#include <vector>

/// What InceptionV3 and InceptionResNetV2 are made of; the layers have Keras's automatic names.
namespace lamina::applications {

/// A convolution without bias, a batch normalization without gamma, and relu.
struct ConvUnit {
  std::int64_t filters;
  layers::IntPair kernel;
  std::int64_t stride = 1;
  std::string padding = "same";
  std::string name = {};  ///< of the convolution; the others' with "_bn" and "_ac"
};

/// One after another.
[[nodiscard]] SymbolicTensor conv_units(SymbolicTensor x, const std::vector<ConvUnit>& units);

/// The mean of the 3x3 values around each, and a unit of one by one.
[[nodiscard]] SymbolicTensor averaged(const SymbolicTensor& x, std::int64_t filters);

/// The largest of 3x3 values, at half the size.
[[nodiscard]] SymbolicTensor largest(const SymbolicTensor& x);

/// The channels of all branches.
[[nodiscard]] SymbolicTensor joined(const SymbolicTensors& branches, const std::string& name = {});

}  // namespace lamina::applications
