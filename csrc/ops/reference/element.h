#pragma once
#include <lamina/dtype.h>
#include <lamina/error.h>

#include <string>
#include <type_traits>

#include "kernels/element.h"

namespace lamina::ops::reference {

using kernels::compute_t;
using kernels::is_float_element;
using kernels::narrow;
using kernels::widen;

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
