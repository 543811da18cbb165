#include "ops/cpu/convolution_desc.h"
#include "ops/cpu/kernels.h"
#include "ops/cpu/onednn.h"

namespace lamina::ops::cpu {
namespace {

using Backward = dnnl::convolution_backward_weights;

Backward::primitive_desc describe_backward(const dnnl::engine& engine, const Conv2D& op) {
  const dnnl::memory::desc x = nhwc(op.x.shape), y = nhwc(op.y.shape);
  const dnnl::memory::desc kernel = any(kernel_desc(op).dims());
  const auto algorithm = dnnl::algorithm::convolution_direct;
  const Dims strides = dims(op.strides), dilation = dilation_of(op.dilation);
  const Dims before = dims(op.pad_before), after = dims(op.pad_after);
  const dnnl::convolution_forward::primitive_desc forward(
      {dnnl::prop_kind::forward_training, algorithm, x, kernel, y, strides, dilation, before,
       after},
      attributes(), engine);
  return {
      {algorithm, x, kernel, y, strides, dilation, before, after}, attributes(), engine, forward};
}

/// The gradient in oneDNN's own layout, then reordered to Keras's.
class KernelGradient final : public Kernel {
 public:
  KernelGradient(const dnnl::engine& engine, const Conv2DKernelGradient& op)
      : op_(op),
        desc_(describe_backward(engine, op.of)),
        primitive_(primitive<Backward>(desc_, engine)) {
    primitive_.bind(DNNL_ARG_SRC, desc_.src_desc());
    primitive_.bind(DNNL_ARG_DIFF_DST, desc_.diff_dst_desc());
    primitive_.own(DNNL_ARG_DIFF_WEIGHTS, desc_.diff_weights_desc());
  }
  [[nodiscard]] std::size_t workspace_bytes() const override {
    return primitive_.scratchpad_bytes();
  }
  void run(const KernelArgs& args) override {
    checked(op_, [&] {
      primitive_.set(DNNL_ARG_SRC, args.inputs[0]);
      primitive_.set(DNNL_ARG_DIFF_DST, args.inputs[1]);
      primitive_.execute(args.workspace);
      primitive_.store(DNNL_ARG_DIFF_WEIGHTS, kernel_desc(op_.of), args.outputs[0]);
    });
  }

 private:
  Conv2DKernelGradient op_;
  Backward::primitive_desc desc_;
  Primitive primitive_;
};

}  // namespace

KernelPtr make_conv2d_kernel_gradient(const dnnl::engine& engine, const Conv2DKernelGradient& op) {
  return std::make_unique<KernelGradient>(engine, op);
}

}  // namespace lamina::ops::cpu
