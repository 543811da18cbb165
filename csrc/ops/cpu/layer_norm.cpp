#include "ops/cpu/blocks.h"
#include "ops/cpu/kernels.h"
#include "ops/cpu/layer_norm_row.h"
#include "ops/cpu/parallel.h"
#include "ops/params.h"

namespace lamina::ops::cpu {
namespace {

/// Normalises the trailing axes, row by row.
class LayerNormKernel final : public Kernel {
 public:
  LayerNormKernel(const LayerNorm& op, const Blocks& blocks) : op_(op), blocks_(blocks) {}

  void load_parameters(std::span<const Tensor> params) override {
    check_params(op_, params);
    const ParamIndex at(op_.scale, op_.center);
    const auto size = static_cast<std::size_t>(blocks_.middle);
    gamma_ = at.gamma ? copy(params[*at.gamma]) : std::vector<float>(size, 1.0F);
    beta_ = at.beta ? copy(params[*at.beta]) : std::vector<float>(size, 0.0F);
  }
  [[nodiscard]] bool can_run_in_place(std::size_t index) const override { return index == 0; }
  void run(const KernelArgs& args) override {
    const auto* x = static_cast<const float*>(args.inputs[0]);
    auto* y = static_cast<float*>(args.outputs[0]);
    const std::int64_t size = blocks_.middle;
    const float *gamma = gamma_.data(), *beta = beta_.data();
    const NormRule rule(op_);
    const auto body = [=](std::int64_t begin, std::int64_t end) LAMINA_ALWAYS_INLINE {
      for (std::int64_t i = begin; i < end; ++i) {
        const float* from = x + i * size;
        float* to = y + i * size;
        const NormRow row = rule.row(from, size);
#pragma omp simd
        for (std::int64_t k = 0; k < size; ++k) {
          to[k] = (from[k] - row.mean) * row.scale * gamma[k] + beta[k];
        }
      }
    };
    parallel_ranges(blocks_.outer, size,
                    [&](std::int64_t begin, std::int64_t end) { vectorized(body, begin, end); });
  }

 private:
  static std::vector<float> copy(const Tensor& param) {
    const Tensor values = param.cast(DType::kFloat32);
    const auto data = values.data<float>();
    return {data.begin(), data.end()};
  }

  LayerNorm op_;
  Blocks blocks_;
  std::vector<float> gamma_, beta_;
};

}  // namespace

KernelPtr make_layer_norm(const LayerNorm& op) {
  const auto split = blocks(op.x.shape, op.axes);
  if (!split || split->inner != 1) return nullptr;
  return std::make_unique<LayerNormKernel>(op, *split);
}

}  // namespace lamina::ops::cpu
