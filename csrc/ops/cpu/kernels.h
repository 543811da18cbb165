#pragma once
#include <dnnl.hpp>

#include "ops/backend.h"

// Makers of the CPU's kernels. Those that return nothing leave the case to the reference.
namespace lamina::ops::cpu {

// float32, on oneDNN.
[[nodiscard]] KernelPtr make_conv2d(const dnnl::engine& engine, const Conv2D& op);
[[nodiscard]] KernelPtr make_conv2d_transpose(const dnnl::engine& engine,
                                              const Conv2DTranspose& op);
[[nodiscard]] KernelPtr make_dense(const dnnl::engine& engine, const Dense& op);
[[nodiscard]] KernelPtr make_matmul(const dnnl::engine& engine, const MatMul& op);
[[nodiscard]] KernelPtr make_conv2d_kernel_gradient(const dnnl::engine& engine,
                                                    const Conv2DKernelGradient& op);
[[nodiscard]] KernelPtr make_dense_kernel_gradient(const dnnl::engine& engine,
                                                   const DenseKernelGradient& op);
[[nodiscard]] KernelPtr make_pool2d(const dnnl::engine& engine, const Pool2D& op);
[[nodiscard]] KernelPtr make_softmax(const dnnl::engine& engine, const Softmax& op);
[[nodiscard]] KernelPtr make_unary(const dnnl::engine& engine, const UnaryOp& op);

// float32, loops of our own.
[[nodiscard]] KernelPtr make_binary(const BinaryOp& op);
[[nodiscard]] KernelPtr make_batch_norm(const BatchNorm& op);
[[nodiscard]] KernelPtr make_layer_norm(const LayerNorm& op);
[[nodiscard]] KernelPtr make_reduce(const Reduce& op);
[[nodiscard]] KernelPtr make_resize2d(const Resize2D& op);
[[nodiscard]] KernelPtr make_resize2d_gradient(const Resize2DGradient& op);
[[nodiscard]] KernelPtr make_dropout(const Dropout& op);
[[nodiscard]] KernelPtr make_noise(const Noise& op);
[[nodiscard]] KernelPtr make_batch_norm_statistics(const BatchNormStatistics& op);
[[nodiscard]] KernelPtr make_batch_norm_training(const BatchNormTraining& op);
[[nodiscard]] KernelPtr make_batch_norm_sums(const BatchNormSums& op);
[[nodiscard]] KernelPtr make_batch_norm_gradient(const BatchNormGradient& op);
[[nodiscard]] KernelPtr make_layer_norm_gradient(const LayerNormGradient& op);
[[nodiscard]] KernelPtr make_layer_norm_sums(const LayerNormSums& op);
[[nodiscard]] KernelPtr make_softmax_gradient(const SoftmaxGradient& op);
[[nodiscard]] KernelPtr make_pool2d_gradient(const Pool2DGradient& op);
[[nodiscard]] KernelPtr make_reduce_gradient(const ReduceGradient& op);
[[nodiscard]] KernelPtr make_unary_gradient(const UnaryGradient& op);
[[nodiscard]] KernelPtr make_binary_gradient(const BinaryGradient& op);

/// 3x3 convolutions of many channels, by Winograd's algorithm; nothing for others.
[[nodiscard]] KernelPtr make_winograd(const Conv2D& op);
/// The same for transposed ones of stride 1.
[[nodiscard]] KernelPtr make_winograd(const Conv2DTranspose& op);

// Any dtype: bytes are moved, or converted, or sorted.
[[nodiscard]] KernelPtr make_concat(const Concat& op);
[[nodiscard]] KernelPtr make_pad(const Pad& op);
[[nodiscard]] KernelPtr make_transpose(const Transpose& op);
[[nodiscard]] KernelPtr make_reshape(const Reshape& op);
[[nodiscard]] KernelPtr make_cast(const Cast& op);
[[nodiscard]] KernelPtr make_argsort(const Argsort& op);

/// Runs `widened`, the float32 kernel of the same operation, for the half-width floats of `spec`.
[[nodiscard]] KernelPtr make_half_adapter(const OpSpec& spec, KernelPtr widened);

/// `spec` with every half-width float made float32.
[[nodiscard]] OpSpec widened(OpSpec spec);

}  // namespace lamina::ops::cpu
