#include "ops/cpu/cpu_backend.h"

#include <lamina/error.h>

#include "ops/cpu/kernels.h"
#include "ops/cpu/onednn.h"
#include "ops/params.h"
#include "ops/reference/evaluate.h"

namespace lamina::ops {
namespace {

dnnl::engine cpu_engine() {
  try {
    return {dnnl::engine::kind::cpu, 0};
  } catch (const dnnl::error& error) {
    throw BackendError(std::string("oneDNN has no CPU engine: ") + error.what());
  }
}

/// `make`'s kernel; nothing where oneDNN has no implementation of this case.
template <class F>
KernelPtr implemented(const OpSpec& spec, F&& make) {
  try {
    return make();
  } catch (const dnnl::error& error) {
    if (error.status == dnnl_unimplemented) return nullptr;
    cpu::rethrow(spec, error);
  }
}

/// Arithmetic: `make` has a float32 kernel, half-width floats are widened to it, the rest is the
/// reference's. Empty tensors are too: libraries differ on them.
template <class Op, class F>
KernelPtr arithmetic(ReferenceBackend& reference, const Op& op, F&& make) {
  reference::require_supported(op);
  const Op wide = std::get<Op>(cpu::widened(op));
  const bool half = input_specs(wide) != input_specs(op) || wide.y != op.y;
  if (wide.y.dtype != DType::kFloat32 || op.y.shape.size() == 0) return reference.make(op);
  KernelPtr kernel = implemented(op, [&] { return make(wide); });
  if (kernel == nullptr) return reference.make(op);
  return half ? cpu::make_half_adapter(op, std::move(kernel)) : std::move(kernel);
}

/// Bytes moved or converted, whatever their dtype.
template <class Op, class F>
KernelPtr movement(ReferenceBackend& reference, const Op& op, F&& make) {
  reference::require_supported(op);
  KernelPtr kernel = op.y.shape.size() == 0 ? nullptr : make(op);
  return kernel == nullptr ? reference.make(op) : std::move(kernel);
}

}  // namespace

CpuBackend::CpuBackend() : engine_(cpu_engine()) {}

KernelPtr CpuBackend::make(const Conv2D& op) {
  return arithmetic(reference_, op,
                    [&](const auto& f32) { return cpu::make_conv2d(engine_, f32); });
}
KernelPtr CpuBackend::make(const Conv2DTranspose& op) {
  return arithmetic(reference_, op,
                    [&](const auto& f32) { return cpu::make_conv2d_transpose(engine_, f32); });
}
KernelPtr CpuBackend::make(const Dense& op) {
  return arithmetic(reference_, op, [&](const auto& f32) { return cpu::make_dense(engine_, f32); });
}
KernelPtr CpuBackend::make(const Pool2D& op) {
  return arithmetic(reference_, op,
                    [&](const auto& f32) { return cpu::make_pool2d(engine_, f32); });
}
KernelPtr CpuBackend::make(const Reduce& op) {
  return arithmetic(reference_, op, cpu::make_reduce);
}
KernelPtr CpuBackend::make(const UnaryOp& op) {
  return arithmetic(reference_, op, [&](const auto& f32) { return cpu::make_unary(engine_, f32); });
}
KernelPtr CpuBackend::make(const BinaryOp& op) {
  return arithmetic(reference_, op, cpu::make_binary);
}
KernelPtr CpuBackend::make(const BatchNorm& op) {
  return arithmetic(reference_, op, cpu::make_batch_norm);
}
KernelPtr CpuBackend::make(const LayerNorm& op) {
  return arithmetic(reference_, op, cpu::make_layer_norm);
}
KernelPtr CpuBackend::make(const Softmax& op) {
  return arithmetic(reference_, op,
                    [&](const auto& f32) { return cpu::make_softmax(engine_, f32); });
}
KernelPtr CpuBackend::make(const Resize2D& op) {
  return arithmetic(reference_, op, cpu::make_resize2d);
}
KernelPtr CpuBackend::make(const Concat& op) {
  return movement(reference_, op, cpu::make_concat);
}
KernelPtr CpuBackend::make(const Pad& op) {
  return movement(reference_, op, cpu::make_pad);
}
KernelPtr CpuBackend::make(const Transpose& op) {
  return movement(reference_, op, cpu::make_transpose);
}
KernelPtr CpuBackend::make(const Reshape& op) {
  return movement(reference_, op, cpu::make_reshape);
}
KernelPtr CpuBackend::make(const Cast& op) {
  return movement(reference_, op, cpu::make_cast);
}
// Rows are copied whole: the reference has nothing to gain from a second body.
KernelPtr CpuBackend::make(const Gather& op) {
  return reference_.make(op);
}
KernelPtr CpuBackend::make(const Dropout& op) {
  return arithmetic(reference_, op, cpu::make_dropout);
}
KernelPtr CpuBackend::make(const ParamValue& op) {
  return reference_.make(op);
}
KernelPtr CpuBackend::make(const BatchNormStatistics& op) {
  return arithmetic(reference_, op, cpu::make_batch_norm_statistics);
}
KernelPtr CpuBackend::make(const BatchNormTraining& op) {
  return arithmetic(reference_, op, cpu::make_batch_norm_training);
}
KernelPtr CpuBackend::make(const BatchNormSums& op) {
  return arithmetic(reference_, op, cpu::make_batch_norm_sums);
}
KernelPtr CpuBackend::make(const BatchNormGradient& op) {
  return arithmetic(reference_, op, cpu::make_batch_norm_gradient);
}
KernelPtr CpuBackend::make(const Conv2DKernelGradient& op) {
  return arithmetic(reference_, op, [&](const auto& f32) {
    return cpu::make_conv2d_kernel_gradient(engine_, f32);
  });
}
KernelPtr CpuBackend::make(const DenseKernelGradient& op) {
  return arithmetic(reference_, op,
                    [&](const auto& f32) { return cpu::make_dense_kernel_gradient(engine_, f32); });
}
KernelPtr CpuBackend::make(const Pool2DGradient& op) {
  return arithmetic(reference_, op, cpu::make_pool2d_gradient);
}
KernelPtr CpuBackend::make(const ReduceGradient& op) {
  return arithmetic(reference_, op, cpu::make_reduce_gradient);
}
KernelPtr CpuBackend::make(const UnaryGradient& op) {
  return arithmetic(reference_, op, cpu::make_unary_gradient);
}
KernelPtr CpuBackend::make(const BinaryGradient& op) {
  return arithmetic(reference_, op, cpu::make_binary_gradient);
}
KernelPtr CpuBackend::make(const LayerNormGradient& op) {
  return arithmetic(reference_, op, cpu::make_layer_norm_gradient);
}
KernelPtr CpuBackend::make(const LayerNormSums& op) {
  return arithmetic(reference_, op, cpu::make_layer_norm_sums);
}
KernelPtr CpuBackend::make(const SoftmaxGradient& op) {
  return arithmetic(reference_, op, cpu::make_softmax_gradient);
}
KernelPtr CpuBackend::make(const Resize2DGradient& op) {
  return arithmetic(reference_, op, cpu::make_resize2d_gradient);
}
KernelPtr CpuBackend::make(const GatherGradient& op) {
  return reference_.make(op);
}

}  // namespace lamina::ops
