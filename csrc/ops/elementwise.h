#pragma once
#include <stdexcept>

#include "kernels/elementwise.h"
#include "ops/spec.h"

namespace lamina::ops {

/// Calls `f` with the functor behind `activation`, computing in T.
template <class T, class F>
decltype(auto) with_unary(const Activation& activation, F&& f) {
  const T a = static_cast<T>(activation.a);
  const T b = static_cast<T>(activation.b);
  const T c = static_cast<T>(activation.c);
  switch (activation.kind) {
#define LAMINA_UNARY(enumerator, name, functor) \
  case Unary::enumerator:                       \
    return f(kernels::functor<T>{a, b, c});
#include "kernels/elementwise.def"
#undef LAMINA_UNARY
  }
  __builtin_unreachable();
}

/// Whether act'(x) follows from act(x) alone (see kernels/elementwise.h).
[[nodiscard]] bool derives_from_output(const Activation& activation);

/// Calls `f` with the functor behind `activation`, for which `derives_from_output` must hold: it
/// has `derivative_from_output`.
template <class T, class F>
void with_output_derivative(const Activation& activation, F&& f) {
  with_unary<T>(activation, [&](auto act) {
    if constexpr (kernels::HasOutputDerivative<decltype(act)>) {
      f(act);
    } else {
      throw std::logic_error("The activation has no derivative in terms of its output.");
    }
  });
}

/// Calls `f` with the functor behind `kind`.
template <class F>
decltype(auto) with_binary(Binary kind, F&& f) {
  switch (kind) {
#define LAMINA_BINARY(enumerator, name, functor) \
  case Binary::enumerator:                       \
    return f(kernels::functor{});
#include "kernels/elementwise.def"
#undef LAMINA_BINARY
  }
  __builtin_unreachable();
}

}  // namespace lamina::ops
