// The elementwise operations by name.
#pragma once
#include <cstdint>

#include "kernels/host_device.h"

namespace lamina::kernels {

enum class UnaryKind : std::uint8_t {
#define LAMINA_UNARY(enumerator, name, functor) enumerator,
#include "kernels/elementwise.def"
#undef LAMINA_UNARY
};

enum class BinaryKind : std::uint8_t {
#define LAMINA_BINARY(enumerator, name, functor) enumerator,
#include "kernels/elementwise.def"
#undef LAMINA_BINARY
};

/// Whether a function of integers needs their signs; of others, wrapping bits are enough.
LAMINA_HOST_DEVICE constexpr bool needs_signs(BinaryKind kind) {
  return kind == BinaryKind::kMaximum || kind == BinaryKind::kMinimum ||
         kind == BinaryKind::kGreater || kind == BinaryKind::kGreaterEqual ||
         kind == BinaryKind::kFmax || kind == BinaryKind::kFmin;
}

/// Whether a function takes far more registers than the others (see short_functions.h).
LAMINA_HOST_DEVICE constexpr bool is_long(BinaryKind kind) {
  return kind == BinaryKind::kPower || kind == BinaryKind::kFloorDivide ||
         kind == BinaryKind::kMod || kind == BinaryKind::kFmod || kind == BinaryKind::kArctan2 ||
         kind == BinaryKind::kHypot || kind == BinaryKind::kLogaddexp;
}

/// Whether a function is of floats alone.
LAMINA_HOST_DEVICE constexpr bool needs_floats(BinaryKind kind) {
  return is_long(kind) || kind == BinaryKind::kDivide || kind == BinaryKind::kHeaviside;
}

}  // namespace lamina::kernels
