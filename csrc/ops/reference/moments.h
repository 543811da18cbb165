#pragma once
#include "ops/reference/element.h"
#include "ops/strides.h"

namespace lamina::ops::reference {

template <class C>
struct Moments {
  C mean = 0, variance = 0;
};

/// Of the elements along the reduced dimensions. `about_zero`: the mean is taken to be 0.
template <class T>
Moments<compute_t<T>> moments(const T* x, const AxisSplit& split, bool about_zero = false) {
  using C = compute_t<T>;
  const C count = static_cast<C>(split.reduced_size());
  Moments<C> result;
  if (!about_zero) {
    for_each_offset(split.reduced_dims, split.reduced_strides,
                    [&](std::int64_t at) { result.mean += widen(x[at]) / count; });
  }
  for_each_offset(split.reduced_dims, split.reduced_strides, [&](std::int64_t at) {
    const C distance = widen(x[at]) - result.mean;
    result.variance += distance * distance / count;
  });
  return result;
}

}  // namespace lamina::ops::reference
