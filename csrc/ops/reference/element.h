#pragma once
#include <lamina/dtype.h>
#include <lamina/error.h>

#include <string>
#include <type_traits>

namespace lamina::ops::reference {

template <class T>
inline constexpr bool is_float_element =
    std::is_floating_point_v<T> || std::is_same_v<T, float16> || std::is_same_v<T, bfloat16>;

/// The type that elements of type T are computed in: half-width floats are widened.
template <class T>
using compute_t = std::conditional_t<is_float_element<T> && !std::is_same_v<T, double>, float, T>;

template <class T>
[[nodiscard]] constexpr compute_t<T> widen(T value) {
  return static_cast<compute_t<T>>(value);
}

template <class T>
[[nodiscard]] constexpr T narrow(compute_t<T> value) {
  return T(value);
}

/// The dtype that parameters are kept in for operations on `dtype`.
[[nodiscard]] inline DType compute_dtype(DType dtype) {
  return dtype == DType::kFloat16 || dtype == DType::kBFloat16 ? DType::kFloat32 : dtype;
}

/// Calls f<T>() for a floating dtype; `make` has refused the others.
template <class F>
void dispatch_floating(DType dtype, F&& f) {
  dispatch(dtype, [&]<class T>(T) {
    if constexpr (is_float_element<T>) f.template operator()<T>();
  });
}

/// Calls f<T>() for a dtype that has an order and arithmetic: all but bool.
template <class F>
void dispatch_number(DType dtype, F&& f) {
  dispatch(dtype, [&]<class T>(T) {
    if constexpr (!std::is_same_v<T, bool>) f.template operator()<T>();
  });
}

}  // namespace lamina::ops::reference
