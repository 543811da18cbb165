// Elements of arrays as the kernels see them: the types of <lamina/dtype.h>, widened for
// arithmetic.
#pragma once
#include <lamina/dtype.h>

#include <cstddef>
#include <type_traits>

#include "kernels/host_device.h"
#if defined(__CUDACC__)
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#endif

namespace lamina::kernels {

template <class T>
inline constexpr bool is_float_element =
    std::is_floating_point_v<T> || std::is_same_v<T, float16> || std::is_same_v<T, bfloat16>;

/// The type that elements of type T are computed in: half-width floats are widened.
template <class T>
using compute_t = std::conditional_t<is_float_element<T> && !std::is_same_v<T, double>, float, T>;

template <class T>
[[nodiscard]] LAMINA_HOST_DEVICE constexpr compute_t<T> widen(T value) {
#if defined(__CUDA_ARCH__)
  if constexpr (std::is_same_v<T, float16>) {
    return __half2float(__ushort_as_half(value.bits));
  } else if constexpr (std::is_same_v<T, bfloat16>) {
    return __bfloat162float(__ushort_as_bfloat16(value.bits));
  } else {
    return static_cast<compute_t<T>>(value);
  }
#else
  return static_cast<compute_t<T>>(value);
#endif
}

template <class T>
[[nodiscard]] LAMINA_HOST_DEVICE constexpr T narrow(compute_t<T> value) {
#if defined(__CUDA_ARCH__)
  if constexpr (std::is_same_v<T, float16>) {
    T out;
    out.bits = __half_as_ushort(__float2half_rn(value));
    return out;
  } else if constexpr (std::is_same_v<T, bfloat16>) {
    T out;
    out.bits = __bfloat16_as_ushort(__float2bfloat16_rn(value));
    return out;
  } else {
    return T(value);
  }
#else
  return T(value);
#endif
}

/// Calls f(T{}) for a floating dtype; returns whether `dtype` is one.
template <class F>
bool dispatch_float(DType dtype, F&& f) {
  switch (dtype) {
#define LAMINA_DTYPE(enumerator, name, type, bits, floating)                    \
  case DType::enumerator:                                                       \
    if constexpr (floating) f(type{}); /* NOLINT(bugprone-macro-parentheses) */ \
    return floating;
#include <lamina/dtype.def>
#undef LAMINA_DTYPE
  }
  return false;
}

#define LAMINA_DTYPE(enumerator, name, type, bits, floating)                                      \
  static_assert(sizeof(type) == 1 || sizeof(type) == 2 || sizeof(type) == 4 || sizeof(type) == 8, \
                "dispatch_bytes has nothing as wide as " name);
#include <lamina/dtype.def>
#undef LAMINA_DTYPE

/// Calls f(U{}) for the unsigned integer of so many bytes: to move elements as they are.
template <class F>
bool dispatch_bytes(std::size_t bytes, F&& f) {
  switch (bytes) {
    case 1:
      f(std::uint8_t{});
      return true;
    case 2:
      f(std::uint16_t{});
      return true;
    case 4:
      f(std::uint32_t{});
      return true;
    case 8:
      f(std::uint64_t{});
      return true;
    default:
      return false;
  }
}

}  // namespace lamina::kernels
