#pragma once
#include <lamina/dtype.h>

#include <type_traits>

#include "kernels/element.h"

namespace lamina::ops::reference {

using kernels::compute_t;
using kernels::dispatch_float;
using kernels::is_float_element;
using kernels::narrow;
using kernels::widen;

/// Calls f(T{}) for a dtype that has an order and arithmetic: all but bool.
template <class F>
void dispatch_number(DType dtype, F&& f) {
  dispatch(dtype, [&]<class T>(T value) {
    if constexpr (!std::is_same_v<T, bool>) f(value);
  });
}

}  // namespace lamina::ops::reference
