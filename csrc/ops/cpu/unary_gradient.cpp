#include "ops/cpu/kernels.h"
#include "ops/cpu/parallel.h"
#include "ops/cpu/vectorized.h"

namespace lamina::ops::cpu {
namespace {

class UnaryGradientKernel final : public Kernel {
 public:
  explicit UnaryGradientKernel(const UnaryGradient& op) : op_(op), size_(op.y.shape.size()) {}
  [[nodiscard]] bool can_run_in_place(std::size_t index) const override { return index <= 1; }
  void run(const KernelArgs& args) override {
    const auto* x = static_cast<const float*>(args.inputs[0]);
    const auto* dy = static_cast<const float*>(args.inputs[1]);
    auto* dx = static_cast<float*>(args.outputs[0]);
    if (op_.from_output) {
      with_output_derivative<float>(op_.of.activation, [&](auto act) {
        multiply(x, dy, dx, [act](float value) LAMINA_ALWAYS_INLINE {
          return act.derivative_from_output(value);
        });
      });
    } else {
      with_fast_unary(op_.of.activation, [&](auto act) {
        multiply(x, dy, dx,
                 [act](float value) LAMINA_ALWAYS_INLINE { return act.derivative(value); });
      });
    }
  }

 private:
  template <class Slope>
  void multiply(const float* x, const float* dy, float* dx, const Slope& slope) const {
    const auto body = [=](std::int64_t begin, std::int64_t end) LAMINA_ALWAYS_INLINE {
      for (std::int64_t i = begin; i < end; ++i) dx[i] = dy[i] * slope(x[i]);
    };
    parallel_ranges(size_, 1,
                    [&](std::int64_t begin, std::int64_t end) { vectorized(body, begin, end); });
  }

  UnaryGradient op_;
  std::int64_t size_;
};

}  // namespace

KernelPtr make_unary_gradient(const UnaryGradient& op) {
  return std::make_unique<UnaryGradientKernel>(op);
}

}  // namespace lamina::ops::cpu
