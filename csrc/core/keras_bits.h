#pragma once
#include <lamina/dtype.h>

namespace lamina::core {

/// Bits of one element as Keras counts them when it assigns variables to shards (bool: 1).
[[nodiscard]] int keras_bits(DType dtype) noexcept;

}  // namespace lamina::core
