#include "layers/arguments.h"

#include <algorithm>
#include <cctype>

namespace lamina::layers {
namespace {

std::string text(IntPair pair) {
  return "(" + std::to_string(pair.first) + ", " + std::to_string(pair.second) + ")";
}

// Far above any real kernel; with sizes below kLargestDim no product of the two overflows.
constexpr std::int64_t kLargest = std::int64_t{1} << 20;

}  // namespace

std::string in_list(const std::vector<Shape>& shapes) {
  std::string text = "[";
  for (const Shape& shape : shapes) text += (text.size() > 1 ? ", " : "") + shape.str();
  return text + "]";
}

void check_pair(std::string_view argument, IntPair pair, std::int64_t minimum) {
  if (pair.first >= minimum && pair.second >= minimum && pair.first < kLargest &&
      pair.second < kLargest) {
    return;
  }
  throw ValueError("The `" + std::string(argument) +
                   "` argument must be a tuple of 2 integers. Received " + std::string(argument) +
                   "=" + text(pair) + ", including values that do not satisfy `value " +
                   (minimum > 0 ? ">" : ">=") + " 0`");
}

std::string check_padding(std::string_view padding, bool allow_causal) {
  std::string lower(padding);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (lower == "valid" || lower == "same" || (allow_causal && lower == "causal")) return lower;
  throw ValueError(std::string("The `padding` argument must be one of {'valid', 'same'") +
                   (allow_causal ? ", 'causal'" : "") +
                   "}. Received: padding=" + std::string(padding));
}

void check_dilation(IntPair strides, IntPair dilation_rate) {
  if (std::max(strides.first, strides.second) > 1 &&
      std::max(dilation_rate.first, dilation_rate.second) > 1) {
    throw ValueError(
        "`strides > 1` not supported in conjunction with `dilation_rate > 1`. Received: strides=" +
        text(strides) + " and dilation_rate=" + text(dilation_rate));
  }
}

AxisPadding window_padding(std::string_view padding, std::int64_t size, std::int64_t window,
                           std::int64_t stride) {
  if (padding == "valid") return {};
  if (padding == "causal") return {window - 1, 0};
  const std::int64_t count = window_count(padding, size, window, stride);
  const std::int64_t total = std::max<std::int64_t>((count - 1) * stride + window - size, 0);
  return {total / 2, total - total / 2};
}

std::int64_t window_count(std::string_view padding, std::int64_t size, std::int64_t window,
                          std::int64_t stride) {
  if (size == kNone) return kNone;
  if (padding == "valid") return size < window ? 0 : (size - window) / stride + 1;
  return size == 0 ? 0 : (size - 1) / stride + 1;
}

}  // namespace lamina::layers
