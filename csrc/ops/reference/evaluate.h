#pragma once
#include <lamina/tensor.h>

#include <span>

#include "ops/spec.h"

namespace lamina::ops::reference {

/// Typed pointers to what one operation reads and writes.
struct Operands {
  std::span<const void* const> inputs;
  std::span<const Tensor> params;  ///< of compute_dtype(output), or of the output's dtype (Gather)
  void* result;

  template <class T>
  [[nodiscard]] const T* input(std::size_t i) const {
    return static_cast<const T*>(inputs[i]);
  }
  template <class T>
  [[nodiscard]] const T* param(std::size_t i) const {
    return static_cast<const T*>(params[i].raw());
  }
  template <class T>
  [[nodiscard]] T* output() const {
    return static_cast<T*>(result);
  }
};

// Each operation as its definition reads, with no regard for speed.
#define LAMINA_OP(Op, name, dtypes, inputs) void evaluate(const Op& op, const Operands& operands);
#include "ops/ops.def"

}  // namespace lamina::ops::reference
