#include "layers/images/random_layer.h"

#include <algorithm>
#include <cmath>

#include "layers/axes.h"
#include "layers/operations/parts.h"

namespace lamina::layers {
namespace {

/// Of its fraction.
int bits_of(DType dtype) {
  if (dtype == DType::kFloat16) return 10;
  if (dtype == DType::kBFloat16) return 7;
  return dtype == DType::kFloat64 ? 52 : 23;
}

}  // namespace

// A number of [0, 1) is made of its bits, each of which a Dropout drops or gives as 2: their sum is
// exact in any order.
ValueId uniform(Builder& builder, const ops::TensorSpec& spec, Range range) {
  const std::vector<double> ends = rounded({range.low, range.high}, spec.dtype);
  const double low = ends[0], size = rounded({ends[1] - low}, spec.dtype)[0];
  if (!(size > 0)) return filled(builder, spec, low);
  const int count = bits_of(spec.dtype);
  std::vector<double> weights;
  for (int bit = 1; bit <= count; ++bit) weights.push_back(std::ldexp(0.5, -bit));
  ops::TensorSpec ones = spec;
  ones.shape.push_back(count);
  const ValueId bits = builder.dropout(filled(builder, ones, 1), 0.5);
  const ValueId weighed = builder.binary(
      ops::Binary::kMultiply, bits, numbers(builder, std::move(weights), {{count}, spec.dtype}));
  const ValueId share = builder.sum(weighed, {spec.shape.rank()}, spec.shape);
  return builder.activation(share, {ops::Unary::kScaleShift, size, low});
}

std::string in_words(const ArrayLike& factor) {
  if (!factor.given) return "None";
  std::string words;
  for (const double value : factor.values) {
    if (!words.empty()) words += ", ";
    words += std::to_string(value);
  }
  return factor.shape.rank() == 0 ? words : "[" + words + "]";
}

Range sorted_range(const ArrayLike& pair) {
  const auto [low, high] = std::minmax(pair.values.at(0), pair.values.at(1));
  return {low, high};
}

bool is_range(const ArrayLike& factor) {
  return factor.given && (factor.shape.rank() == 0 || factor.shape == Shape{2});
}

Range range_of_factor(const ArrayLike& factor, Range bounds) {
  const bool pair = factor.shape.rank() == 1;
  bool good = is_range(factor);
  // Of a list Keras looks no closer.
  if (good && pair) good = factor.values[0] <= bounds.high && factor.values[1] >= bounds.low;
  if (good && !pair) good = factor.values[0] >= bounds.low && factor.values[0] <= bounds.high;
  if (!good) {
    const auto in_text = [](double bound) { return std::to_string(static_cast<int>(bound)); };
    throw ValueError(
        "The `factor` argument should be a number (or a list of two numbers) in the range [" +
        in_text(bounds.low) + ", " + in_text(bounds.high) +
        "]. Received: factor=" + in_words(factor));
  }
  if (pair) return sorted_range(factor);
  const double size = std::abs(factor.values[0]);
  return {std::max(-size, bounds.low), size};
}

}  // namespace lamina::layers
