#pragma once
#include <lamina/layers.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ops/spec.h"

// Keras's argument checks and size rules. All throw ValueError in Keras's words, without the layer.
namespace lamina::layers {

/// keras.config.epsilon(): the least that is divided by.
inline constexpr double kEpsilon = 1e-7;

/// No dimension of a layer's output may be larger.
inline constexpr std::int64_t kLargestDim = std::int64_t{1} << 40;

[[nodiscard]] inline Shape without_batch(const Shape& shape) {
  return Shape(std::vector<std::int64_t>(shape.begin() + 1, shape.end()));
}

/// Numbers along spatial axes, one for each.
using Along = std::vector<std::int64_t>;
[[nodiscard]] inline Along along(std::int64_t one) {
  return {one};
}
[[nodiscard]] inline Along along(IntPair pair) {
  return {pair.first, pair.second};
}
[[nodiscard]] inline Along along(const IntTriple& triple) {
  return {triple.first, triple.second, triple.third};
}

/// Those of the axes of a plane, which operations work on: of one axis, that is a plane of one row;
/// of three the first two.
[[nodiscard]] inline ops::Pair in_plane(const Along& numbers) {
  if (numbers.size() == 1) return {1, numbers[0]};
  return {numbers[0], numbers[1]};
}

/// "(2, 3)"
[[nodiscard]] std::string in_tuple(const Along& numbers);

/// "[(2, 3), (None, 4)]"
[[nodiscard]] std::string in_list(const std::vector<Shape>& shapes);

/// Each at least `minimum`.
void check_each(std::string_view argument, const Along& numbers, std::int64_t minimum);
/// "valid" or "same" ("causal" too, if allowed); any case. Returns lower case.
[[nodiscard]] std::string check_padding(std::string_view padding, bool allow_causal = false);
/// Strides and dilation may not both exceed 1. The words are those of convolutions.
void check_dilation(const Along& strides, const Along& dilation_rate,
                    std::string_view words =
                        "`strides > 1` not supported in conjunction with `dilation_rate > 1`.");

/// Padding before and after one axis.
struct AxisPadding {
  std::int64_t before = 0, after = 0;
};

/// Windows of effective size `window` along an axis of known size.
[[nodiscard]] AxisPadding window_padding(std::string_view padding, std::int64_t size,
                                         std::int64_t window, std::int64_t stride);
/// Number of windows; kNone for an unknown size. Zero or negative when the window does not fit.
[[nodiscard]] std::int64_t window_count(std::string_view padding, std::int64_t size,
                                        std::int64_t window, std::int64_t stride);

/// Effective size of a kernel with gaps.
[[nodiscard]] inline std::int64_t dilated(std::int64_t kernel, std::int64_t dilation) {
  return (kernel - 1) * dilation + 1;
}

}  // namespace lamina::layers
