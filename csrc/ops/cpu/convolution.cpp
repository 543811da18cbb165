#include <string_view>

#include "ops/cpu/convolution_desc.h"
#include "ops/cpu/kernels.h"
#include "ops/cpu/onednn.h"
#include "ops/cpu/parallel.h"
#include "ops/params.h"

namespace lamina::ops::cpu {
namespace {

using Forward = dnnl::convolution_forward;

struct Epilogue {
  dnnl::post_ops post_ops;
  bool fused;  ///< activation and residual are in post_ops
};

Epilogue epilogue_of(const Conv2D& op) {
  Epilogue result{};
  result.fused = append_activation(result.post_ops, op.activation);
  if (result.fused && op.residual) result.post_ops.append_sum(1);
  return result;
}

/// Throws dnnl::error with dnnl_unimplemented when no implementation is left.
Forward::primitive_desc describe_forward(const dnnl::engine& engine, const Conv2D& op,
                                         const dnnl::post_ops& post_ops) {
  const auto bias = op.bias ? dense({op.y.shape[3]}) : dnnl::memory::desc();
  const Forward::desc desc(dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct,
                           nhwc(op.x.shape), any(kernel_desc(op).dims()), bias, nhwc(op.y.shape),
                           dims(op.strides), dilation_of(op.dilation), dims(op.pad_before),
                           dims(op.pad_after));
  Forward::primitive_desc result(desc, attributes(post_ops), engine);
  if (!misses_the_image(op)) return result;
  // oneDNN 2.6's brgemm convolutions leave wrong values where no tap reaches the image.
  while (std::string_view(result.impl_info_str()).find("brg") != std::string_view::npos) {
    if (!result.next_impl()) throw dnnl::error(dnnl_unimplemented, "no convolution but brgemm");
  }
  return result;
}

class Conv2DKernel final : public Kernel {
 public:
  Conv2DKernel(const dnnl::engine& engine, const Conv2D& op, const Epilogue& epilogue)
      : Conv2DKernel(engine, op, epilogue.fused, describe_forward(engine, op, epilogue.post_ops)) {}

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
  [[nodiscard]] bool can_run_in_place(std::size_t index) const override {
    return index == 1 && op_.residual && fused_;
  }
  void run(const KernelArgs& args) override {
    const void* residual = op_.residual ? args.inputs[1] : nullptr;
    // The sum post-op adds to what the output holds.
    if (residual != nullptr && fused_ && residual != args.outputs[0]) {
      parallel_copy(residual, args.outputs[0], op_.y.nbytes());
    }
    checked(op_, [&] {
      primitive_.set(DNNL_ARG_SRC, args.inputs[0]);
      primitive_.set(DNNL_ARG_DST, args.outputs[0]);
      primitive_.execute(args.workspace);
    });
    if (!fused_) {
      finish(op_.activation, static_cast<const float*>(residual),
             static_cast<float*>(args.outputs[0]), op_.y.shape.size());
    }
  }

 private:
  Conv2DKernel(const dnnl::engine& engine, const Conv2D& op, bool fused,
               const Forward::primitive_desc& desc)
      : op_(op), fused_(fused), primitive_(primitive<Forward>(desc, engine)) {
    primitive_.bind_layer(desc);
  }

  Conv2D op_;
  bool fused_;
  Primitive primitive_;
};

}  // namespace

KernelPtr make_conv2d(const dnnl::engine& engine, const Conv2D& op) {
  if (KernelPtr fast = make_winograd(op)) return fast;
  return std::make_unique<Conv2DKernel>(engine, op, epilogue_of(op));
}

}  // namespace lamina::ops::cpu
