#include "ops/cpu/kernels.h"
#include "ops/cpu/onednn.h"
#include "ops/cpu/parallel.h"
#include "ops/params.h"

namespace lamina::ops::cpu {
namespace {

using Forward = dnnl::deconvolution_forward;

/// Keras's kernel (KH, KW, F/groups, C) as oneDNN's logical (groups,) F/groups, C/groups, KH, KW.
dnnl::memory::desc kernel_desc(const Conv2DTranspose& op) {
  const std::int64_t channels = op.x.shape[3];
  const std::int64_t filters = op.y.shape[3] / op.groups;
  const std::int64_t column = filters * channels;
  const std::int64_t row = op.kernel[1] * column;
  const auto f32 = dnnl::memory::data_type::f32;
  if (op.groups == 1) {
    return {Dims{filters, channels, op.kernel[0], op.kernel[1]}, f32,
            Dims{channels, 1, row, column}};
  }
  const std::int64_t each = channels / op.groups;
  return {Dims{op.groups, filters, each, op.kernel[0], op.kernel[1]}, f32,
          Dims{each, channels, 1, row, column}};
}

Forward::primitive_desc describe_forward(const dnnl::engine& engine, const Conv2DTranspose& op) {
  const auto bias = op.bias ? dense({op.y.shape[3]}) : dnnl::memory::desc();
  const Forward::desc desc(
      dnnl::prop_kind::forward_inference, dnnl::algorithm::deconvolution_direct, nhwc(op.x.shape),
      any(kernel_desc(op).dims()), bias, nhwc(op.y.shape), Dims{op.strides[0], op.strides[1]},
      Dims{op.dilation[0] - 1, op.dilation[1] - 1}, Dims{op.pad_before[0], op.pad_before[1]},
      Dims{op.pad_after[0], op.pad_after[1]});
  return {desc, attributes(), engine};
}

/// The activation is a pass of its own: oneDNN's fast transposed convolutions take no post-ops.
class Conv2DTransposeKernel final : public Kernel {
 public:
  Conv2DTransposeKernel(const dnnl::engine& engine, const Conv2DTranspose& op)
      : Conv2DTransposeKernel(engine, op, describe_forward(engine, op)) {}

  void load_parameters(std::span<const Tensor> params) override {
    check_params(op_, params);
    checked(op_, [&] {
      primitive_.load(DNNL_ARG_WEIGHTS, kernel_desc(op_), params[0]);
      if (op_.bias) primitive_.load(DNNL_ARG_BIAS, dense({op_.y.shape[3]}), params[1]);
    });
  }
  [[nodiscard]] std::size_t workspace_bytes() const override {
    return primitive_.scratchpad_bytes();
  }
  void run(const KernelArgs& args) override {
    checked(op_, [&] {
      primitive_.set(DNNL_ARG_SRC, args.inputs[0]);
      primitive_.set(DNNL_ARG_DST, args.outputs[0]);
      primitive_.execute(args.workspace);
    });
    if (op_.activation.kind != Unary::kLinear) {
      finish(op_.activation, nullptr, static_cast<float*>(args.outputs[0]), op_.y.shape.size());
    }
  }

 private:
  Conv2DTransposeKernel(const dnnl::engine& engine, const Conv2DTranspose& op,
                        const Forward::primitive_desc& desc)
      : op_(op), primitive_(primitive<Forward>(desc, engine)) {
    primitive_.bind_layer(desc);
  }

  Conv2DTranspose op_;
  Primitive primitive_;
};

}  // namespace

KernelPtr make_conv2d_transpose(const dnnl::engine& engine, const Conv2DTranspose& op) {
  if (KernelPtr fast = make_winograd(op)) return fast;
  return std::make_unique<Conv2DTransposeKernel>(engine, op);
}

}  // namespace lamina::ops::cpu
