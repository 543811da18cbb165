#pragma once
#include <utility>

#include "ops/backend.h"
#include "ops/cpu/onednn.h"

namespace lamina::ops::cpu {

/// An operation that is one product of two inputs, as `desc` has them.
class ProductKernel final : public Kernel {
 public:
  ProductKernel(OpSpec op, const dnnl::matmul::primitive_desc& desc, const dnnl::engine& engine)
      : op_(std::move(op)), primitive_(primitive<dnnl::matmul>(desc, engine)) {
    primitive_.bind(DNNL_ARG_SRC, desc.src_desc());
    primitive_.bind(DNNL_ARG_WEIGHTS, desc.weights_desc());
    primitive_.bind(DNNL_ARG_DST, desc.dst_desc());
  }
  [[nodiscard]] std::size_t workspace_bytes() const override {
    return primitive_.scratchpad_bytes();
  }
  void run(const KernelArgs& args) override {
    checked(op_, [&] {
      primitive_.set(DNNL_ARG_SRC, args.inputs[0]);
      primitive_.set(DNNL_ARG_WEIGHTS, args.inputs[1]);
      primitive_.set(DNNL_ARG_DST, args.outputs[0]);
      primitive_.execute(args.workspace);
    });
  }

 private:
  OpSpec op_;
  Primitive primitive_;
};

}  // namespace lamina::ops::cpu
