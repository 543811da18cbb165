#pragma once
#include <utility>

#include "ops/backend.h"
#include "ops/cpu/onednn.h"

namespace lamina::ops::cpu {

/// An operation that is one primitive from a source to a destination.
template <class Forward>
class SimpleKernel final : public Kernel {
 public:
  SimpleKernel(OpSpec op, const typename Forward::primitive_desc& desc, const dnnl::engine& engine,
               bool in_place)
      : op_(std::move(op)), in_place_(in_place), primitive_(primitive<Forward>(desc, engine)) {
    primitive_.bind(DNNL_ARG_SRC, desc.src_desc());
    primitive_.bind(DNNL_ARG_DST, desc.dst_desc());
  }
  [[nodiscard]] std::size_t workspace_bytes() const override {
    return primitive_.scratchpad_bytes();
  }
  [[nodiscard]] bool can_run_in_place(std::size_t index) const override {
    return in_place_ && index == 0;
  }
  void run(const KernelArgs& args) override {
    checked(op_, [&] {
      primitive_.set(DNNL_ARG_SRC, args.inputs[0]);
      primitive_.set(DNNL_ARG_DST, args.outputs[0]);
      primitive_.execute(args.workspace);
    });
  }

 private:
  OpSpec op_;
  bool in_place_;
  Primitive primitive_;
};

}  // namespace lamina::ops::cpu
