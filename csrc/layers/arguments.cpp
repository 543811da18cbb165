#include "layers/arguments.h"

#include <algorithm>
#include <cctype>

namespace lamina::layers {
namespace {

// Far above any real kernel; with sizes below kLargestDim no product of the two overflows.
constexpr std::int64_t kLargest = std::int64_t{1} << 20;

}  // namespace

std::string in_list(const std::vector<Shape>& shapes) {
  std::string text = "[";
  for (const Shape& shape : shapes) text += (text.size() > 1 ? ", " : "") + shape.str();
  return text + "]";
}

std::string in_tuple(const Along& numbers) {
  std::string text = "(";
  for (const std::int64_t number : numbers) {
    text.append(text.size() > 1 ? ", " : "").append(std::to_string(number));
  }
  return text.append(numbers.size() == 1 ? ",)" : ")");
}

void check_each(std::string_view argument, const Along& numbers, std::int64_t minimum) {
  const auto fits = [minimum](std::int64_t number) {
    return number >= minimum && number < kLargest;
  };
  if (std::all_of(numbers.begin(), numbers.end(), fits)) return;
  throw ValueError("The `" + std::string(argument) + "` argument must be a tuple of " +
                   std::to_string(numbers.size()) + " integers. Received " + std::string(argument) +
                   "=" + in_tuple(numbers) + ", including values that do not satisfy `value " +
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

void check_dilation(const Along& strides, const Along& dilation_rate, std::string_view words) {
  const auto is_more = [](std::int64_t number) { return number > 1; };
  if (std::any_of(strides.begin(), strides.end(), is_more) &&
      std::any_of(dilation_rate.begin(), dilation_rate.end(), is_more)) {
    throw ValueError(std::string(words) + " Received: strides=" + in_tuple(strides) +
                     " and dilation_rate=" + in_tuple(dilation_rate));
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
