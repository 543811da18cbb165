#include <array>
#include <limits>

#include "core/denormals.h"
#include "ops/cpu/blocks.h"
#include "ops/cpu/kernels.h"
#include "ops/cpu/parallel.h"

namespace lamina::ops::cpu {
namespace {

/// Times a factor: a mean.
struct Sum {
  static constexpr float kStart = 0;
  float factor;
  [[nodiscard]] float combine(float a, float b) const { return a + b; }
  [[nodiscard]] float result(float a) const { return a * factor; }
};

struct Max {
  static constexpr float kStart = -std::numeric_limits<float>::infinity();
  [[nodiscard]] float combine(float a, float b) const { return kernels::MaximumOp{}(a, b); }
  [[nodiscard]] float result(float a) const { return a; }
};

/// Rows that are summed before their sum is added to the whole: keeps float sums of many thousand
/// elements accurate, and makes the order of additions independent of the number of threads.
inline constexpr std::int64_t kRowsAtOnce = 64;
/// Columns that one thread keeps in registers and first-level cache.
inline constexpr std::int64_t kColumnsAtOnce = 64;
/// Pieces of one column that threads share, whatever their number.
inline constexpr std::int64_t kParts = 16;

class ReduceKernel final : public Kernel {
 public:
  ReduceKernel(const Reduce& op, const Blocks& blocks) : op_(op), blocks_(blocks) {}
  void run(const KernelArgs& args) override {
    switch (op_.kind) {
      case Reduce::Kind::kMax:
        return reduce(args, Max{});
      case Reduce::Kind::kMean:
        return reduce(args, Sum{static_cast<float>(1.0 / static_cast<double>(blocks_.middle))});
      case Reduce::Kind::kSum:
        return reduce(args, Sum{1.0F});
    }
  }

 private:
  template <class F>
  void reduce(const KernelArgs& args, const F& f) const {
    const auto* x = static_cast<const float*>(args.inputs[0]);
    auto* y = static_cast<float*>(args.outputs[0]);
    const std::int64_t tiles = (blocks_.inner + kColumnsAtOnce - 1) / kColumnsAtOnce;
    if (blocks_.outer * tiles == 1 && blocks_.size() >= 4 * kParallelElements) {
      return reduce_in_parts(f, x, y);
    }
    const std::int64_t work = blocks_.middle * std::min(blocks_.inner, kColumnsAtOnce);
    parallel_ranges(blocks_.outer * tiles, work, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t outer = i / tiles;
        const std::int64_t first = i % tiles * kColumnsAtOnce;
        const std::int64_t columns = std::min(kColumnsAtOnce, blocks_.inner - first);
        tile(f, x + outer * blocks_.middle * blocks_.inner + first,
             y + outer * blocks_.inner + first, columns);
      }
    });
  }

  /// Many rows of few columns, as a bias's gradient has them: several threads share the rows.
  template <class F>
  void reduce_in_parts(const F& f, const float* x, float* y) const {
    const std::int64_t columns = blocks_.inner;
    std::array<std::array<float, kColumnsAtOnce>, kParts> totals;
    const core::ParallelRegion region;
#pragma omp parallel for schedule(static)
    for (std::int64_t part = 0; part < kParts; ++part) {
      const core::SameFlushing same(region);
      const std::int64_t begin = blocks_.middle * part / kParts;
      combine_rows(f, x, begin, blocks_.middle * (part + 1) / kParts, columns,
                   totals[static_cast<std::size_t>(part)].data());
    }
    for (std::int64_t c = 0; c < columns; ++c) {
      float total = F::kStart;
      for (const auto& part : totals) total = f.combine(total, part[static_cast<std::size_t>(c)]);
      y[c] = f.result(total);
    }
  }

  template <class F>
  void tile(const F& f, const float* x, float* y, std::int64_t columns) const {
    float total[kColumnsAtOnce];
    combine_rows(f, x, 0, blocks_.middle, columns, total);
    for (std::int64_t c = 0; c < columns; ++c) y[c] = f.result(total[c]);
  }

  template <class F>
  void combine_rows(const F& f, const float* x, std::int64_t begin, std::int64_t end,
                    std::int64_t columns, float* total) const {
    std::fill_n(total, columns, F::kStart);
    for (std::int64_t row = begin; row < end; row += kRowsAtOnce) {
      float partial[kColumnsAtOnce];
      std::fill_n(partial, columns, F::kStart);
      const std::int64_t last = std::min(row + kRowsAtOnce, end);
      for (std::int64_t i = row; i < last; ++i) {
        for (std::int64_t c = 0; c < columns; ++c) {
          partial[c] = f.combine(partial[c], x[i * blocks_.inner + c]);
        }
      }
      for (std::int64_t c = 0; c < columns; ++c) total[c] = f.combine(total[c], partial[c]);
    }
  }

  Reduce op_;
  Blocks blocks_;
};

}  // namespace

KernelPtr make_reduce(const Reduce& op) {
  const auto split = blocks(op.x.shape, op.axes);
  return split ? std::make_unique<ReduceKernel>(op, *split) : nullptr;
}

}  // namespace lamina::ops::cpu
