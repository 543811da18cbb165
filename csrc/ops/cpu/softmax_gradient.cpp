#include "ops/cpu/blocks.h"
#include "ops/cpu/kernels.h"
#include "ops/cpu/parallel.h"
#include "ops/cpu/vectorized.h"

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
    const std::int64_t step = blocks_.inner, size = blocks_.middle * step;
    const auto rows = [&](const auto& differentiate) {
      const auto body = [=](std::int64_t begin, std::int64_t end) LAMINA_ALWAYS_INLINE {
        for (std::int64_t i = begin; i < end; ++i) {
          const std::int64_t at = i / step * size + i % step;
          // Written twice, so that the common case's loop has a step that the compiler knows.
          if (step == 1) {
            differentiate(y + at, dy + at, dx + at, size, 1);
          } else {
            differentiate(y + at, dy + at, dx + at, size, step);
          }
        }
      };
      parallel_ranges(blocks_.outer * step, blocks_.middle,
                      [&](std::int64_t begin, std::int64_t end) { vectorized(body, begin, end); });
    };
    log_ ? rows(OfLog{}) : rows(OfPlain{});
  }

 private:
  struct OfPlain {
    LAMINA_ALWAYS_INLINE void operator()(const float* y, const float* dy, float* dx,
                                         std::int64_t size, std::int64_t step) const {
      float sum = 0;
#pragma omp simd reduction(+ : sum)
      for (std::int64_t i = 0; i < size; i += step) sum += dy[i] * y[i];
#pragma omp simd
      for (std::int64_t i = 0; i < size; i += step) dx[i] = y[i] * (dy[i] - sum);
    }
  };
  struct OfLog {
    LAMINA_ALWAYS_INLINE void operator()(const float* y, const float* dy, float* dx,
                                         std::int64_t size, std::int64_t step) const {
      float sum = 0;
#pragma omp simd reduction(+ : sum)
      for (std::int64_t i = 0; i < size; i += step) sum += dy[i];
#pragma omp simd
      for (std::int64_t i = 0; i < size; i += step) dx[i] = dy[i] - fast_exp(y[i]) * sum;
    }
  };

  bool log_;
  Blocks blocks_;
};

}  // namespace

KernelPtr make_softmax_gradient(const SoftmaxGradient& op) {
  const auto split = blocks(op.of.x.shape, op.of.axes);
  return split ? std::make_unique<SoftmaxGradientKernel>(op, *split) : nullptr;
}

}  // namespace lamina::ops::cpu
