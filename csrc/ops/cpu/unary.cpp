#include "ops/cpu/kernels.h"
#include "ops/cpu/parallel.h"
#include "ops/cpu/simple_kernel.h"
#include "ops/cpu/vectorized.h"

namespace lamina::ops::cpu {
namespace {

/// The functor, for what oneDNN lacks or does in several steps.
class UnaryLoop final : public Kernel {
 public:
  explicit UnaryLoop(const UnaryOp& op) : op_(op), size_(op.y.shape.size()) {}
  [[nodiscard]] bool can_run_in_place(std::size_t index) const override { return index == 0; }
  void run(const KernelArgs& args) override {
    const auto* x = static_cast<const float*>(args.inputs[0]);
    auto* y = static_cast<float*>(args.outputs[0]);
    with_unary<float>(op_.activation, [&](auto act) {
      const auto body = [=](std::int64_t begin, std::int64_t end) LAMINA_ALWAYS_INLINE {
        for (std::int64_t i = begin; i < end; ++i) y[i] = act(x[i]);
      };
      parallel_ranges(size_, 1,
                      [&](std::int64_t begin, std::int64_t end) { vectorized(body, begin, end); });
    });
  }

 private:
  UnaryOp op_;
  std::int64_t size_;
};

}  // namespace

KernelPtr make_unary(const dnnl::engine& engine, const UnaryOp& op) {
  dnnl::post_ops steps;
  // oneDNN keeps primitives by their numbers, among which it takes 0 for -0.
  if (op.activation.kind == Unary::kScaleShift) return std::make_unique<UnaryLoop>(op);
  if (!append_activation(steps, op.activation) || steps.len() != 1) {
    return std::make_unique<UnaryLoop>(op);
  }
  float scale = 1;
  float alpha = 0;
  float beta = 0;
  dnnl::algorithm algorithm{};
  steps.get_params_eltwise(0, scale, algorithm, alpha, beta);
  const dnnl::eltwise_forward::desc desc(dnnl::prop_kind::forward_inference, algorithm,
                                         dense({op.y.shape.size()}), alpha, beta);
  const dnnl::eltwise_forward::primitive_desc primitive(desc, attributes(), engine);
  return std::make_unique<SimpleKernel<dnnl::eltwise_forward>>(op, primitive, engine, true);
}

}  // namespace lamina::ops::cpu
