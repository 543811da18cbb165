#pragma once
#include <lamina/applications.h>

#include <string>

/// What EfficientNet and EfficientNetV2 have in common. `name` is a block's, "block1a_".
namespace lamina::applications::efficientnet {

/// A stage's number of blocks, scaled by the variant's depth.
[[nodiscard]] std::int64_t round_repeats(std::int64_t repeats, double depth);

[[nodiscard]] std::string block_name(std::size_t stage, std::int64_t index);

/// A convolution without bias.
[[nodiscard]] SymbolicTensor convolve(const SymbolicTensor& x, std::int64_t filters,
                                      std::int64_t kernel, std::int64_t stride,
                                      const std::string& name, const std::string& padding = "same");

/// A depthwise convolution without bias.
[[nodiscard]] SymbolicTensor depthwise(const SymbolicTensor& x, std::int64_t kernel,
                                       std::int64_t stride, const std::string& name,
                                       const std::string& padding = "same");

[[nodiscard]] SymbolicTensor swish(const SymbolicTensor& x, const std::string& name);

/// Scales the channels of `x`, by what `filters_in` * `ratio` numbers, at least one, make of their
/// means.
[[nodiscard]] SymbolicTensor squeeze_excite(const SymbolicTensor& x, std::int64_t filters_in,
                                            double ratio, const std::string& name);

/// `x` + `input`, x left out of the samples at the rate `drop` in training (0: of none).
[[nodiscard]] SymbolicTensor residual(SymbolicTensor x, const SymbolicTensor& input, double drop,
                                      const std::string& name);

/// Pooling, dropout and the classifier, or what the options want in their place.
[[nodiscard]] SymbolicTensor head(SymbolicTensor x, const Options& options, double dropout);

}  // namespace lamina::applications::efficientnet
