#pragma once
#include <lamina/dtype.h>

namespace lamina::core {

/// The dtype that elements of `dtype` are computed in, and that parameters of operations on them
/// are kept in: narrow floats are widened.
[[nodiscard]] inline DType compute_dtype(DType dtype) {
  return is_floating(dtype) && dtype != DType::kFloat64 ? DType::kFloat32 : dtype;
}

}  // namespace lamina::core
