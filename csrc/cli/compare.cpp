#include "cli/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <type_traits>

namespace lamina::cli {
namespace {

template <class T>
auto for_print(T value) {
  if constexpr (std::is_same_v<T, float16> || std::is_same_v<T, bfloat16>) {
    return static_cast<float>(value);
  } else if constexpr (sizeof(T) == 1 && !std::is_same_v<T, bool>) {
    return static_cast<int>(value);
  } else {
    return value;
  }
}

/// "(1, 0)" of element 3 of a (2, 3).
std::string position(const Shape& shape, std::int64_t element) {
  Shape index = shape;
  for (std::size_t axis = shape.rank(); axis-- > 0;) {
    index[static_cast<std::int64_t>(axis)] = element % shape.dims()[axis];
    element /= shape.dims()[axis];
  }
  return index.str();
}

template <class T>
std::string describe(const Tensor& a, const Tensor& b) {
  const auto x = a.data<T>(), y = b.data<T>();
  std::size_t count = 0, first = 0;
  double largest = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    // Bits, not values: a NaN is equal to itself, and 0 is not -0.
    // NOLINTNEXTLINE(bugprone-suspicious-memory-comparison)
    if (std::memcmp(&x[i], &y[i], sizeof(T)) == 0) continue;
    if (count++ == 0) first = i;
    const double distance =
        std::abs(static_cast<double>(for_print(x[i])) - static_cast<double>(for_print(y[i])));
    if (!std::isnan(distance)) largest = std::max(largest, distance);
  }
  return fmt::format(
      "{} of {} elements differ, first at {}: {} and {}; the largest difference is {:.3g}", count,
      x.size(), position(a.shape(), static_cast<std::int64_t>(first)), for_print(x[first]),
      for_print(y[first]), largest);
}

}  // namespace

std::optional<std::string> describe_difference(const Tensor& a, const Tensor& b) {
  if (bitwise_equal(a, b)) return {};
  return dispatch(a.dtype(), [&]<class T>(T) { return describe<T>(a, b); });
}

}  // namespace lamina::cli
