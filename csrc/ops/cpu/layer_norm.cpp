#include <cmath>

#include "ops/cpu/blocks.h"
#include "ops/cpu/kernels.h"
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
    parallel_ranges(blocks_.outer, size, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) normalise(x + i * size, y + i * size);
    });
  }

 private:
  static std::vector<float> copy(const Tensor& param) {
    const Tensor values = param.cast(DType::kFloat32);
    const auto data = values.data<float>();
    return {data.begin(), data.end()};
  }
  void normalise(const float* x, float* y) const {
    const std::int64_t size = blocks_.middle;
    float sum = 0;
    if (!op_.rms) {
#pragma omp simd reduction(+ : sum)
      for (std::int64_t i = 0; i < size; ++i) sum += x[i];
    }
    const float mean = sum / static_cast<float>(size);
    float squares = 0;
#pragma omp simd reduction(+ : squares)
    for (std::int64_t i = 0; i < size; ++i) squares += (x[i] - mean) * (x[i] - mean);
    const float variance = squares / static_cast<float>(size);
    const float scale = 1.0F / std::sqrt(variance + static_cast<float>(op_.epsilon));
    for (std::int64_t i = 0; i < size; ++i) y[i] = (x[i] - mean) * scale * gamma_[i] + beta_[i];
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
