#include "ops/reference/reference_backend.h"

#include "core/compute_dtype.h"
#include "ops/params.h"
#include "ops/reference/element.h"
#include "ops/reference/evaluate.h"
#include "ops/supported.h"

namespace lamina::ops {
namespace {

template <class Op>
class ReferenceKernel final : public Kernel {
 public:
  explicit ReferenceKernel(const Op& op) : op_(op) { require_supported(op); }

  void load_parameters(std::span<const Tensor> params) override {
    check_params(op_, params);
    const DType dtype = std::is_same_v<Op, Gather> ? op_.y.dtype : core::compute_dtype(op_.y.dtype);
    params_.clear();
    for (const Tensor& param : params) params_.push_back(param.cast(dtype));
  }
  [[nodiscard]] bool can_run_in_place(std::size_t index) const override {
    if constexpr (std::is_same_v<Op, UnaryOp> || std::is_same_v<Op, BatchNorm> ||
                  std::is_same_v<Op, Reshape>) {
      return index == 0;
    } else if constexpr (std::is_same_v<Op, BinaryOp>) {
      return (index == 0 ? op_.x0 : op_.x1) == op_.y;
    } else if constexpr (std::is_same_v<Op, Conv2D> || std::is_same_v<Op, Dense>) {
      return index == 1 && op_.residual;
    } else {
      return false;
    }
  }
  void run(const KernelArgs& args) override {
    reference::evaluate(op_, {args.inputs, params_, args.outputs[0]});
  }

 private:
  Op op_;
  std::vector<Tensor> params_;
};

template <class Op>
KernelPtr reference_kernel(const Op& op) {
  return std::make_unique<ReferenceKernel<Op>>(op);
}

}  // namespace

KernelPtr ReferenceBackend::make(const OpSpec& spec) {
  return std::visit([](const auto& op) { return reference_kernel(op); }, spec);
}

}  // namespace lamina::ops
