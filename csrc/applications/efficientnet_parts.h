#pragma once
#include <lamina/applications.h>

#include <span>
#include <string>
#include <vector>

/// What EfficientNet and EfficientNetV2 have in common. `name` is a block's, "block1a_".
namespace lamina::applications::efficientnet {

/// A stage's number of blocks, scaled by the variant's depth.
[[nodiscard]] std::int64_t round_repeats(std::int64_t repeats, double depth);

[[nodiscard]] std::string block_name(std::size_t stage, std::int64_t index);

/// A variant's stages: their blocks as many, and their filters as `round` says.
template <class Stage, class Round>
[[nodiscard]] std::vector<Stage> scaled(std::span<const Stage> stages, double depth,
                                        const Round& round) {
  std::vector<Stage> out(stages.begin(), stages.end());
  for (Stage& stage : out) {
    stage.repeats = round_repeats(stage.repeats, depth);
    stage.filters_in = round(stage.filters_in);
    stage.filters_out = round(stage.filters_out);
  }
  return out;
}

template <class Stages>
[[nodiscard]] std::int64_t blocks_of(const Stages& stages) {
  std::int64_t all = 0;
  for (const auto& stage : stages) all += stage.repeats;
  return all;
}

/// The blocks of all stages: block(x, stage, drop, name), where `drop` goes from 0 towards 0.2 over
/// `total` blocks. But for its first block a stage keeps what it has.
template <class Stage, class Block>
[[nodiscard]] SymbolicTensor in_stages(SymbolicTensor x, const std::vector<Stage>& stages,
                                       std::int64_t total, const Block& block) {
  constexpr double kDropConnect = 0.2;
  std::int64_t done = 0;
  for (std::size_t i = 0; i < stages.size(); ++i) {
    Stage stage = stages[i];
    for (std::int64_t j = 0; j < stage.repeats; ++j, ++done) {
      x = block(x, stage, kDropConnect * static_cast<double>(done) / static_cast<double>(total),
                block_name(i, j));
      stage.stride = 1;
      stage.filters_in = stage.filters_out;
    }
  }
  return x;
}

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
