#include "ops/cpu/kernels.h"
#include "ops/cpu/parallel.h"
#include "ops/dropout_mask.h"

namespace lamina::ops::cpu {
namespace {

class DropoutKernel final : public Kernel {
 public:
  explicit DropoutKernel(const Dropout& op) : op_(op) {}
  [[nodiscard]] bool can_run_in_place(std::size_t index) const override { return index == 0; }
  void run(const KernelArgs& args) override {
    const auto* x = static_cast<const float*>(args.inputs[0]);
    auto* y = static_cast<float*>(args.outputs[0]);
    const DropoutMask mask(op_, static_cast<const std::uint64_t*>(args.inputs[1]));
    const auto scale = static_cast<float>(1 / (1 - op_.rate));
    const std::int64_t size = op_.y.shape.size();
    parallel_ranges((size + 3) / 4, 4, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t block = begin; block < end; ++block) {
        const auto kept = mask.block(block);
        const std::int64_t last = std::min<std::int64_t>(4, size - 4 * block);
        for (std::int64_t k = 0; k < last; ++k) {
          const std::int64_t i = 4 * block + k;
          y[i] = kept[static_cast<std::size_t>(k)] ? x[i] * scale : 0.0F;
        }
      }
    });
  }

 private:
  Dropout op_;
};

}  // namespace

KernelPtr make_dropout(const Dropout& op) {
  return std::make_unique<DropoutKernel>(op);
}

}  // namespace lamina::ops::cpu
