// The elementwise operations by name.
#pragma once
#include <cstdint>

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

}  // namespace lamina::kernels
