#pragma once
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

/// Calls `f` with what gives act'(x) for act(x); `derives_from_output` must hold.
template <class T, class F>
decltype(auto) with_output_derivative(const Activation& activation, F&& f) {
  const T a = static_cast<T>(activation.a);
  const T b = static_cast<T>(activation.b);
  if (activation.kind == Unary::kSigmoid) return f(kernels::SigmoidSlope<T>{});
  if (activation.kind == Unary::kTanh) return f(kernels::TanhSlope<T>{});
  if (activation.kind == Unary::kExponential) return f(kernels::ExponentialSlope<T>{});
  if (activation.kind == Unary::kElu) return f(kernels::EluSlope<T>{a, b, T(0)});
  return f(kernels::ReluSlope<T>{a, b, T(0)});
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
