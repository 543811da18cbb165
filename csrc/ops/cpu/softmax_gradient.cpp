#include <cmath>

#include "ops/cpu/blocks.h"
#include "ops/cpu/kernels.h"
#include "ops/cpu/parallel.h"

namespace lamina::ops::cpu {
namespace {

class SoftmaxGradientKernel final : public Kernel {
 public:
  SoftmaxGradientKernel(const SoftmaxGradient& op, const Blocks& blocks)
      : log_(op.of.log), blocks_(blocks) {}
  [[nodiscard]] bool can_run_in_place(std::size_t index) const override { return index <= 1; }
  void run(const KernelArgs& args) override {
    const auto* y = static_cast<const float*>(args.inputs[0]);
    const auto* dy = static_cast<const float*>(args.inputs[1]);
    auto* dx = static_cast<float*>(args.outputs[0]);
    const std::int64_t inner = blocks_.inner;
    parallel_ranges(blocks_.outer * inner, blocks_.middle,
                    [&](std::int64_t begin, std::int64_t end) {
                      for (std::int64_t i = begin; i < end; ++i) {
                        const std::int64_t at = i / inner * blocks_.middle * inner + i % inner;
                        differentiate(y + at, dy + at, dx + at);
                      }
                    });
  }

 private:
  void differentiate(const float* y, const float* dy, float* dx) const {
    const std::int64_t step = blocks_.inner, size = blocks_.middle * step;
    float sum = 0;
    for (std::int64_t i = 0; i < size; i += step) sum += log_ ? dy[i] : dy[i] * y[i];
    for (std::int64_t i = 0; i < size; i += step) {
      dx[i] = log_ ? dy[i] - std::exp(y[i]) * sum : y[i] * (dy[i] - sum);
    }
  }

  bool log_;
  Blocks blocks_;
};

}  // namespace

KernelPtr make_softmax_gradient(const SoftmaxGradient& op) {
  const auto split = blocks(op.of.x.shape, op.of.axes);
  return split ? std::make_unique<SoftmaxGradientKernel>(op, *split) : nullptr;
}

}  // namespace lamina::ops::cpu
