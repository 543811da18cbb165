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
void evaluate(const Conv2D& op, const Operands& operands);
void evaluate(const Conv2DTranspose& op, const Operands& operands);
void evaluate(const Dense& op, const Operands& operands);
void evaluate(const Pool2D& op, const Operands& operands);
void evaluate(const Reduce& op, const Operands& operands);
void evaluate(const UnaryOp& op, const Operands& operands);
void evaluate(const BinaryOp& op, const Operands& operands);
void evaluate(const BatchNorm& op, const Operands& operands);
void evaluate(const LayerNorm& op, const Operands& operands);
void evaluate(const Softmax& op, const Operands& operands);
void evaluate(const Concat& op, const Operands& operands);
void evaluate(const Pad& op, const Operands& operands);
void evaluate(const Resize2D& op, const Operands& operands);
void evaluate(const Transpose& op, const Operands& operands);
void evaluate(const Reshape& op, const Operands& operands);
void evaluate(const Gather& op, const Operands& operands);
void evaluate(const Cast& op, const Operands& operands);
void evaluate(const Dropout& op, const Operands& operands);
void evaluate(const ParamValue& op, const Operands& operands);
void evaluate(const BatchNormStatistics& op, const Operands& operands);
void evaluate(const BatchNormTraining& op, const Operands& operands);
void evaluate(const BatchNormSums& op, const Operands& operands);
void evaluate(const BatchNormGradient& op, const Operands& operands);
void evaluate(const Conv2DKernelGradient& op, const Operands& operands);
void evaluate(const DenseKernelGradient& op, const Operands& operands);
void evaluate(const Pool2DGradient& op, const Operands& operands);
void evaluate(const ReduceGradient& op, const Operands& operands);
void evaluate(const UnaryGradient& op, const Operands& operands);
void evaluate(const BinaryGradient& op, const Operands& operands);
void evaluate(const LayerNormGradient& op, const Operands& operands);
void evaluate(const LayerNormSums& op, const Operands& operands);
void evaluate(const SoftmaxGradient& op, const Operands& operands);
void evaluate(const Resize2DGradient& op, const Operands& operands);
void evaluate(const GatherGradient& op, const Operands& operands);

/// Throws UnsupportedError when `evaluate` has no body for the dtypes of `spec`.
void require_supported(const OpSpec& spec);

}  // namespace lamina::ops::reference
