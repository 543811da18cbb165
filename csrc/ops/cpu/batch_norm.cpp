#include <cmath>

#include "ops/cpu/blocks.h"
#include "ops/cpu/kernels.h"
#include "ops/cpu/parallel.h"
#include "ops/params.h"

namespace lamina::ops::cpu {
namespace {

/// y = act((x - mean) * scale + shift) with scale and shift made once.
class BatchNormKernel final : public Kernel {
 public:
  explicit BatchNormKernel(const BatchNorm& op)
      : op_(op), blocks_(*blocks(op.x.shape, {op.axis})) {}

  void load_parameters(std::span<const Tensor> params) override {
    check_params(op_, params);
    const ParamIndex at(op_.scale, op_.center);
    const auto values = [&](std::size_t i) { return params[i].cast(DType::kFloat32); };
    const auto size = static_cast<std::size_t>(blocks_.middle);
    const Tensor variance = values(at.next + 1);
    mean_ = copy(values(at.next));
    shift_ = at.beta ? copy(values(*at.beta)) : std::vector<float>(size, 0.0F);
    scale_ = at.gamma ? copy(values(*at.gamma)) : std::vector<float>(size, 1.0F);
    for (std::size_t i = 0; i < size; ++i) {
      const double sigma = std::sqrt(static_cast<double>(variance.data<float>()[i]) + op_.epsilon);
      scale_[i] = static_cast<float>(scale_[i] / sigma);
    }
  }
  [[nodiscard]] bool can_run_in_place(std::size_t index) const override { return index == 0; }
  void run(const KernelArgs& args) override {
    const auto* x = static_cast<const float*>(args.inputs[0]);
    auto* y = static_cast<float*>(args.outputs[0]);
    with_unary<float>(op_.activation, [&](auto act) {
      if (blocks_.inner == 1) {
        channels_last(act, x, y);
      } else {
        channels_inside(act, x, y);
      }
    });
  }

 private:
  static std::vector<float> copy(const Tensor& values) {
    const auto data = values.data<float>();
    return {data.begin(), data.end()};
  }
  template <class Act>
  void channels_last(const Act& act, const float* x, float* y) const {
    const std::int64_t size = blocks_.middle;
    parallel_ranges(blocks_.outer, size, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        for (std::int64_t c = 0; c < size; ++c) {
          y[i * size + c] = act((x[i * size + c] - mean_[c]) * scale_[c] + shift_[c]);
        }
      }
    });
  }
  template <class Act>
  void channels_inside(const Act& act, const float* x, float* y) const {
    const std::int64_t size = blocks_.inner;
    parallel_ranges(blocks_.outer * blocks_.middle, size,
                    [&](std::int64_t begin, std::int64_t end) {
                      for (std::int64_t i = begin; i < end; ++i) {
                        const std::int64_t c = i % blocks_.middle;
                        for (std::int64_t k = i * size; k < (i + 1) * size; ++k) {
                          y[k] = act((x[k] - mean_[c]) * scale_[c] + shift_[c]);
                        }
                      }
                    });
  }

  BatchNorm op_;
  Blocks blocks_;
  std::vector<float> mean_, scale_, shift_;
};

}  // namespace

KernelPtr make_batch_norm(const BatchNorm& op) {
  return std::make_unique<BatchNormKernel>(op);
}

}  // namespace lamina::ops::cpu
