#include <algorithm>
#include <vector>

#include "core/denormals.h"
#include "ops/cpu/blocks.h"
#include "ops/cpu/kernels.h"
#include "ops/cpu/layer_norm_row.h"
#include "ops/cpu/parallel.h"
#include "ops/params.h"

namespace lamina::ops::cpu {
namespace {

/// Sums do not depend on the number of threads: the rows are cut into this many parts.
constexpr std::int64_t kParts = 16;

/// Rows that are summed in float before they are added to sums in double.
constexpr std::int64_t kRowsAtOnce = 32;

class GradientKernel final : public Kernel {
 public:
  GradientKernel(const LayerNormGradient& op, const Blocks& blocks) : op_(op), blocks_(blocks) {}

  void load_parameters(std::span<const Tensor> params) override {
    check_params(op_, params);
    gamma_.assign(static_cast<std::size_t>(blocks_.middle), 1.0F);
    if (params.empty()) return;
    const Tensor values = params[0].cast(DType::kFloat32);
    const auto data = values.data<float>();
    gamma_.assign(data.begin(), data.end());
  }
  void run(const KernelArgs& args) override {
    const auto* x = static_cast<const float*>(args.inputs[0]);
    const auto* dy = static_cast<const float*>(args.inputs[1]);
    auto* dx = static_cast<float*>(args.outputs[0]);
    const std::int64_t size = blocks_.middle;
    const float* gamma = gamma_.data();
    const NormRule rule(op_.of);
    const auto body = [=](std::int64_t begin, std::int64_t end) LAMINA_ALWAYS_INLINE {
      for (std::int64_t i = begin; i < end; ++i) {
        differentiate(rule, x + i * size, dy + i * size, gamma, dx + i * size, size);
      }
    };
    parallel_ranges(blocks_.outer, size,
                    [&](std::int64_t begin, std::int64_t end) { vectorized(body, begin, end); });
  }

 private:
  LAMINA_ALWAYS_INLINE static void differentiate(const NormRule& rule, const float* x,
                                                 const float* dy, const float* gamma, float* dx,
                                                 std::int64_t size) {
    const NormRow row = rule.row(x, size);
    double sum = 0, weighted = 0;
    in_short_parts(size, [&](std::int64_t begin, std::int64_t end) LAMINA_ALWAYS_INLINE {
      float plain_part = 0, weighted_part = 0;
#pragma omp simd reduction(+ : plain_part, weighted_part)
      for (std::int64_t i = begin; i < end; ++i) {
        const float h = dy[i] * gamma[i];
        plain_part += h;
        weighted_part += h * (x[i] - row.mean);
      }
      sum += plain_part;
      weighted += weighted_part;
    });
    const float share = row.scale / static_cast<float>(size);
    const float slope = static_cast<float>(weighted) * row.scale * row.scale * share;
    const float shift = rule.rms ? 0.0F : static_cast<float>(sum) * share;
#pragma omp simd
    for (std::int64_t i = 0; i < size; ++i) {
      const float h = dy[i] * gamma[i];
      dx[i] = h * row.scale - shift - slope * (x[i] - row.mean);
    }
  }

  LayerNormGradient op_;
  Blocks blocks_;
  std::vector<float> gamma_;
};

class SumsKernel final : public Kernel {
 public:
  SumsKernel(const LayerNormSums& op, const Blocks& blocks) : op_(op), blocks_(blocks) {}
  void run(const KernelArgs& args) override {
    const auto* x = static_cast<const float*>(args.inputs[0]);
    const auto* dy = static_cast<const float*>(args.inputs[1]);
    auto* y = static_cast<float*>(args.outputs[0]);
    const auto size = static_cast<std::size_t>(2 * blocks_.middle);
    std::vector<std::vector<double>> parts(static_cast<std::size_t>(kParts),
                                           std::vector<double>(size, 0.0));
    // Made here: threads must not throw.
    std::vector<float> few(static_cast<std::size_t>(kParts) * size);
    const core::ParallelRegion region;
#pragma omp parallel for schedule(static) if (blocks_.size() >= 2 * kParallelElements)
    for (std::int64_t part = 0; part < kParts; ++part) {
      const core::SameFlushing same(region);
      add(x, dy, blocks_.outer * part / kParts, blocks_.outer * (part + 1) / kParts,
          few.data() + part * 2 * blocks_.middle, parts[static_cast<std::size_t>(part)]);
    }
    for (std::size_t k = 0; k < size; ++k) {
      double sum = 0;
      for (const std::vector<double>& part : parts) sum += part[k];
      y[k] = static_cast<float>(sum);
    }
  }

 private:
  /// `plain` has room for as many as `sums`.
  void add(const float* x, const float* dy, std::int64_t begin, std::int64_t end, float* plain,
           std::vector<double>& sums) const {
    const std::int64_t size = blocks_.middle;
    float* const weighted = plain + size;
    const NormRule rule(op_.of);
    const auto body = [=](std::int64_t from, std::int64_t to) LAMINA_ALWAYS_INLINE {
      for (std::int64_t i = from; i < to; ++i) {
        const float *here = x + i * size, *d = dy + i * size;
        const NormRow row = rule.row(here, size);
#pragma omp simd
        for (std::int64_t k = 0; k < size; ++k) {
          plain[k] += d[k];
          weighted[k] += d[k] * (here[k] - row.mean) * row.scale;
        }
      }
    };
    for (std::int64_t first = begin; first < end; first += kRowsAtOnce) {
      std::fill_n(plain, sums.size(), 0.0F);
      vectorized(body, first, std::min(first + kRowsAtOnce, end));
      for (std::size_t k = 0; k < sums.size(); ++k) sums[k] += plain[k];
    }
  }

  LayerNormSums op_;
  Blocks blocks_;
};

template <class Kernel, class Op>
KernelPtr trailing_axes(const Op& op) {
  const auto split = blocks(op.of.x.shape, op.of.axes);
  if (!split || split->inner != 1) return nullptr;
  return std::make_unique<Kernel>(op, *split);
}

}  // namespace

KernelPtr make_layer_norm_gradient(const LayerNormGradient& op) {
  return trailing_axes<GradientKernel>(op);
}
KernelPtr make_layer_norm_sums(const LayerNormSums& op) {
  return trailing_axes<SumsKernel>(op);
}

}  // namespace lamina::ops::cpu
