#include "ops/cpu/cpu_backend.h"

#include <lamina/error.h>

#include "ops/cpu/kernels.h"
#include "ops/cpu/one_thread.h"
#include "ops/cpu/onednn.h"
#include "ops/op_info.h"
#include "ops/supported.h"

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
  require_supported(op);
  const Op wide = std::get<Op>(cpu::widened(op));
  const bool half = input_specs(wide) != input_specs(op) || wide.y != op.y;
  if (wide.y.dtype != DType::kFloat32 || op.y.shape.size() == 0) return reference.make(op);
  KernelPtr kernel = implemented(op, [&] {
    const cpu::OneThread alone(cpu::is_small(wide));
    return make(wide);
  });
  if (kernel == nullptr) return reference.make(op);
  return half ? cpu::make_half_adapter(op, std::move(kernel)) : std::move(kernel);
}

/// Bytes moved or converted, whatever their dtype.
template <class Op, class F>
KernelPtr movement(ReferenceBackend& reference, const Op& op, F&& make) {
  require_supported(op);
  KernelPtr kernel = op.y.shape.size() == 0 ? nullptr : make(op);
  return kernel == nullptr ? reference.make(op) : std::move(kernel);
}

/// The kernel of each operation.
struct Maker {
  const dnnl::engine& engine;
  ReferenceBackend& reference;

  KernelPtr operator()(const Conv2D& op) const {
    return arithmetic(reference, op,
                      [&](const auto& f32) { return cpu::make_conv2d(engine, f32); });
  }
  KernelPtr operator()(const Conv2DTranspose& op) const {
    return arithmetic(reference, op,
                      [&](const auto& f32) { return cpu::make_conv2d_transpose(engine, f32); });
  }
  KernelPtr operator()(const Dense& op) const {
    return arithmetic(reference, op, [&](const auto& f32) { return cpu::make_dense(engine, f32); });
  }
  KernelPtr operator()(const MatMul& op) const {
    return arithmetic(reference, op,
                      [&](const auto& f32) { return cpu::make_matmul(engine, f32); });
  }
  KernelPtr operator()(const Pool2D& op) const {
    return arithmetic(reference, op,
                      [&](const auto& f32) { return cpu::make_pool2d(engine, f32); });
  }
  KernelPtr operator()(const Reduce& op) const {
    return arithmetic(reference, op, cpu::make_reduce);
  }
  KernelPtr operator()(const UnaryOp& op) const {
    return arithmetic(reference, op, [&](const auto& f32) { return cpu::make_unary(engine, f32); });
  }
  KernelPtr operator()(const BinaryOp& op) const {
    return arithmetic(reference, op, cpu::make_binary);
  }
  KernelPtr operator()(const BatchNorm& op) const {
    return arithmetic(reference, op, cpu::make_batch_norm);
  }
  KernelPtr operator()(const LayerNorm& op) const {
    return arithmetic(reference, op, cpu::make_layer_norm);
  }
  KernelPtr operator()(const Softmax& op) const {
    return arithmetic(reference, op,
                      [&](const auto& f32) { return cpu::make_softmax(engine, f32); });
  }
  KernelPtr operator()(const Resize2D& op) const {
    return arithmetic(reference, op, cpu::make_resize2d);
  }
  KernelPtr operator()(const Concat& op) const { return movement(reference, op, cpu::make_concat); }
  KernelPtr operator()(const Pad& op) const { return movement(reference, op, cpu::make_pad); }
  KernelPtr operator()(const Transpose& op) const {
    return movement(reference, op, cpu::make_transpose);
  }
  KernelPtr operator()(const Reshape& op) const {
    return movement(reference, op, cpu::make_reshape);
  }
  KernelPtr operator()(const Cast& op) const { return movement(reference, op, cpu::make_cast); }
  // Rows are copied whole: the reference has nothing to gain from a second body.
  KernelPtr operator()(const Gather& op) const { return reference.make(op); }
  KernelPtr operator()(const Argsort& op) const {
    return movement(reference, op, cpu::make_argsort);
  }
  KernelPtr operator()(const Dropout& op) const {
    return arithmetic(reference, op, cpu::make_dropout);
  }
  KernelPtr operator()(const Noise& op) const { return arithmetic(reference, op, cpu::make_noise); }
  KernelPtr operator()(const ParamValue& op) const { return reference.make(op); }
  KernelPtr operator()(const BatchNormStatistics& op) const {
    return arithmetic(reference, op, cpu::make_batch_norm_statistics);
  }
  KernelPtr operator()(const BatchNormTraining& op) const {
    return arithmetic(reference, op, cpu::make_batch_norm_training);
  }
  KernelPtr operator()(const BatchNormSums& op) const {
    return arithmetic(reference, op, cpu::make_batch_norm_sums);
  }
  KernelPtr operator()(const BatchNormGradient& op) const {
    return arithmetic(reference, op, cpu::make_batch_norm_gradient);
  }
  KernelPtr operator()(const Conv2DKernelGradient& op) const {
    return arithmetic(reference, op, [&](const auto& f32) {
      return cpu::make_conv2d_kernel_gradient(engine, f32);
    });
  }
  KernelPtr operator()(const DenseKernelGradient& op) const {
    return arithmetic(reference, op, [&](const auto& f32) {
      return cpu::make_dense_kernel_gradient(engine, f32);
    });
  }
  KernelPtr operator()(const Pool2DGradient& op) const {
    return arithmetic(reference, op, cpu::make_pool2d_gradient);
  }
  KernelPtr operator()(const ReduceGradient& op) const {
    return arithmetic(reference, op, cpu::make_reduce_gradient);
  }
  KernelPtr operator()(const UnaryGradient& op) const {
    return arithmetic(reference, op, cpu::make_unary_gradient);
  }
  KernelPtr operator()(const BinaryGradient& op) const {
    return arithmetic(reference, op, cpu::make_binary_gradient);
  }
  KernelPtr operator()(const LayerNormGradient& op) const {
    return arithmetic(reference, op, cpu::make_layer_norm_gradient);
  }
  KernelPtr operator()(const LayerNormSums& op) const {
    return arithmetic(reference, op, cpu::make_layer_norm_sums);
  }
  KernelPtr operator()(const SoftmaxGradient& op) const {
    return arithmetic(reference, op, cpu::make_softmax_gradient);
  }
  KernelPtr operator()(const Resize2DGradient& op) const {
    return arithmetic(reference, op, cpu::make_resize2d_gradient);
  }
  KernelPtr operator()(const GatherGradient& op) const { return reference.make(op); }
};

}  // namespace

CpuBackend::CpuBackend() : engine_(cpu_engine()) {}

KernelPtr CpuBackend::make(const OpSpec& spec) {
  return std::visit(Maker{engine_, reference_}, spec);
}

}  // namespace lamina::ops
