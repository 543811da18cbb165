#include "kernels/draws.h"
#include "ops/cpu/kernels.h"
#include "ops/cpu/parallel.h"

namespace lamina::ops::cpu {
namespace {

class NoiseKernel final : public Kernel {
 public:
  explicit NoiseKernel(const Noise& op) : op_(op) {}
  [[nodiscard]] bool can_run_in_place(std::size_t index) const override { return index == 0; }
  void run(const KernelArgs& args) override {
    constexpr std::int64_t kWork = 100;  // a block takes as long as so many simple elements
    const auto* x = static_cast<const float*>(args.inputs[0]);
    auto* y = static_cast<float*>(args.outputs[0]);
    const kernels::Draws draws{static_cast<const std::uint64_t*>(args.inputs[1]), op_.stream};
    const auto stddev = static_cast<float>(op_.stddev);
    const bool factor = op_.kind == Noise::Kind::kFactor;
    const std::int64_t size = op_.y.shape.size();
    parallel_ranges((size + 3) / 4, kWork, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t block = begin; block < end; ++block) {
        float numbers[4];
        draws.normals(block, numbers);
        for (std::int64_t i = 4 * block; i < size && i < 4 * block + 4; ++i) {
          y[i] = kernels::with_noise(x[i], numbers[i % 4] * stddev, factor);
        }
      }
    });
  }

 private:
  Noise op_;
};

}  // namespace

KernelPtr make_noise(const Noise& op) {
  return std::make_unique<NoiseKernel>(op);
}

}  // namespace lamina::ops::cpu
