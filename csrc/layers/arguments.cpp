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

void check_data_format(std::string_view data_format) {
  if (data_format != "channels_last" && data_format != kChannelsFirst) {
    throw ValueError(
        "The `data_format` argument must be one of {'channels_first', 'channels_last'}. Received: "
        "data_format=" +
        std::string(data_format));
  }
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

graph::ValueId to_channels_last(graph::Builder& builder, graph::ValueId x) {
  std::vector<std::size_t> perm{0};
  for (std::size_t i = 2; i < builder.shape(x).rank(); ++i) perm.push_back(i);
  perm.push_back(1);
  return builder.transpose(x, std::move(perm));
}

graph::ValueId to_channels_first(graph::Builder& builder, graph::ValueId x) {
  const std::size_t rank = builder.shape(x).rank();
  std::vector<std::size_t> perm{0, rank - 1};
  for (std::size_t i = 1; i + 1 < rank; ++i) perm.push_back(i);
  return builder.transpose(x, std::move(perm));
}

}  // namespace lamina::layers
