#include "ops/cpu/kernels.h"
#include "ops/cpu/parallel.h"
#include "ops/cpu/vectorized.h"
#include "ops/dropout_mask.h"

namespace lamina::ops::cpu {
namespace {

/// Philox blocks that are made side by side.
constexpr std::int64_t kLanes = 16;
/// Elements that they give.
constexpr std::int64_t kElements = 4 * kLanes;

class DropoutKernel final : public Kernel {
 public:
  explicit DropoutKernel(const Dropout& op) : op_(op) {}
  [[nodiscard]] bool can_run_in_place(std::size_t index) const override { return index == 0; }
  void run(const KernelArgs& args) override {
    const auto* x = static_cast<const float*>(args.inputs[0]);
    auto* y = static_cast<float*>(args.outputs[0]);
    const DropoutMask mask(op_, static_cast<const std::uint64_t*>(args.inputs[1]));
    const auto scale = static_cast<float>(1 / (1 - op_.rate));
    const std::int64_t size = op_.y.shape.size(), groups = size / kElements;
    const auto body = [=](std::int64_t begin, std::int64_t end) LAMINA_ALWAYS_INLINE {
      for (std::int64_t group = begin; group < end; ++group) {
        std::uint32_t words[4][kLanes];
        mask.words<kLanes>(group * kLanes, words);
        const float* from = x + group * kElements;
        float* to = y + group * kElements;
        std::uint32_t in_order[kElements];
#pragma omp simd
        for (std::int64_t lane = 0; lane < kLanes; ++lane) {
          for (std::int64_t k = 0; k < 4; ++k) in_order[4 * lane + k] = words[k][lane];
        }
#pragma omp simd
        for (std::int64_t i = 0; i < kElements; ++i) {
          to[i] = mask.kept(in_order[i]) ? from[i] * scale : 0.0F;
        }
      }
    };
    parallel_ranges(groups, kElements,
                    [&](std::int64_t begin, std::int64_t end) { vectorized(body, begin, end); });
    for (std::int64_t i = groups * kElements; i < size; ++i) {
      y[i] = mask.keeps(i) ? x[i] * scale : 0.0F;
    }
  }

 private:
  Dropout op_;
};

}  // namespace

KernelPtr make_dropout(const Dropout& op) {
  return std::make_unique<DropoutKernel>(op);
}

}  // namespace lamina::ops::cpu
