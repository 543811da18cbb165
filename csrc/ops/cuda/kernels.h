#pragma once
#include "ops/cuda/device_kernel.h"

// Makers of a device's kernels, one for each operation. What they are given is supported (see
// reference::require_supported) and not empty.
namespace lamina::ops::cuda {

[[nodiscard]] KernelPtr make(const Site& site, const Conv2D& op);
[[nodiscard]] KernelPtr make(const Site& site, const Conv2DTranspose& op);
[[nodiscard]] KernelPtr make(const Site& site, const Dense& op);
[[nodiscard]] KernelPtr make(const Site& site, const Pool2D& op);
[[nodiscard]] KernelPtr make(const Site& site, const Reduce& op);
[[nodiscard]] KernelPtr make(const Site& site, const UnaryOp& op);
[[nodiscard]] KernelPtr make(const Site& site, const BinaryOp& op);
[[nodiscard]] KernelPtr make(const Site& site, const BatchNorm& op);
[[nodiscard]] KernelPtr make(const Site& site, const LayerNorm& op);
[[nodiscard]] KernelPtr make(const Site& site, const Softmax& op);
[[nodiscard]] KernelPtr make(const Site& site, const Concat& op);
[[nodiscard]] KernelPtr make(const Site& site, const Pad& op);
[[nodiscard]] KernelPtr make(const Site& site, const Resize2D& op);
[[nodiscard]] KernelPtr make(const Site& site, const Transpose& op);
[[nodiscard]] KernelPtr make(const Site& site, const Reshape& op);
[[nodiscard]] KernelPtr make(const Site& site, const Gather& op);
[[nodiscard]] KernelPtr make(const Site& site, const Cast& op);
[[nodiscard]] KernelPtr make(const Site& site, const Dropout& op);
[[nodiscard]] KernelPtr make(const Site& site, const ParamValue& op);
[[nodiscard]] KernelPtr make(const Site& site, const BatchNormStatistics& op);
[[nodiscard]] KernelPtr make(const Site& site, const BatchNormTraining& op);
[[nodiscard]] KernelPtr make(const Site& site, const BatchNormSums& op);
[[nodiscard]] KernelPtr make(const Site& site, const BatchNormGradient& op);
[[nodiscard]] KernelPtr make(const Site& site, const Conv2DKernelGradient& op);
[[nodiscard]] KernelPtr make(const Site& site, const DenseKernelGradient& op);
[[nodiscard]] KernelPtr make(const Site& site, const Pool2DGradient& op);
[[nodiscard]] KernelPtr make(const Site& site, const ReduceGradient& op);
[[nodiscard]] KernelPtr make(const Site& site, const UnaryGradient& op);
[[nodiscard]] KernelPtr make(const Site& site, const BinaryGradient& op);
[[nodiscard]] KernelPtr make(const Site& site, const LayerNormGradient& op);
[[nodiscard]] KernelPtr make(const Site& site, const LayerNormSums& op);
[[nodiscard]] KernelPtr make(const Site& site, const SoftmaxGradient& op);
[[nodiscard]] KernelPtr make(const Site& site, const Resize2DGradient& op);
[[nodiscard]] KernelPtr make(const Site& site, const GatherGradient& op);

}  // namespace lamina::ops::cuda
