#pragma once
#include <lamina/float16.h>

#include <bit>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace lamina::core {

/// A double as a float that a narrower type rounds as it would the double, ties included: cut off,
/// with the last bit set where anything was.
constexpr float rounded_to_odd(double value) {
  const float nearest = static_cast<float>(value);
  const double back = nearest;
  if (back == value || value != value) return nearest;
  const bool away = value < 0 ? back < value : back > value;
  return std::bit_cast<float>((std::bit_cast<std::uint32_t>(nearest) - (away ? 1U : 0U)) | 1U);
}

/// One element as another type: floats round to nearest even (doubles to bfloat16 by way of float,
/// as what Keras uses does), floats to integers truncate and saturate.
template <class From, class To>
constexpr To convert(From value) {
  if constexpr (std::is_same_v<From, To>) {
    return value;
  } else if constexpr (std::is_same_v<From, float16> || std::is_same_v<From, bfloat16>) {
    return convert<float, To>(static_cast<float>(value));
  } else if constexpr (std::is_same_v<From, double> && std::is_same_v<To, float16>) {
    return To(rounded_to_odd(value));
  } else if constexpr (std::is_same_v<To, float16> || std::is_same_v<To, bfloat16>) {
    return To(static_cast<float>(value));
  } else if constexpr (std::is_same_v<To, bool>) {
    return value != From{};
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    // Out of range is undefined in C++; files and users may hold anything, so saturate (NaN gives
    // 0).
    if (!(value == value)) return To{};
    if (value <= static_cast<From>(std::numeric_limits<To>::min()))
      return std::numeric_limits<To>::min();
    if (value >= static_cast<From>(std::numeric_limits<To>::max()))
      return std::numeric_limits<To>::max();
    return static_cast<To>(value);
  } else {
    return static_cast<To>(value);
  }
}

}  // namespace lamina::core
