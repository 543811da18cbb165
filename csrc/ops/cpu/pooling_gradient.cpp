#include <algorithm>
#include <limits>

#include "ops/cpu/blocks.h"
#include "ops/cpu/kernels.h"
#include "ops/cpu/parallel.h"
#include "ops/cpu/vectorized.h"

namespace lamina::ops::cpu {
namespace {

/// Channels that are worked on together: their best values and places stay in the first-level
/// cache.
constexpr std::int64_t kChannelsAtOnce = 64;

/// Image by image (windows may overlap), some channels at a time.
class PoolGradientKernel final : public Kernel {
 public:
  explicit PoolGradientKernel(const Pool2DGradient& op)
      : op_(op.of),
        rows_(op_.x.shape[1]),
        columns_(op_.x.shape[2]),
        channels_(op_.x.shape[3]),
        out_rows_(op_.y.shape[1]),
        out_columns_(op_.y.shape[2]) {}
  void run(const KernelArgs& args) override {
    const bool is_max = op_.kind == Pool2D::Kind::kMax;
    const auto* x = static_cast<const float*>(args.inputs[0]);
    const auto* dy = static_cast<const float*>(args.inputs[is_max ? 1 : 0]);
    auto* dx = static_cast<float*>(args.outputs[0]);
    const std::int64_t channels = channels_;
    const std::int64_t tiles = (channels + kChannelsAtOnce - 1) / kChannelsAtOnce;
    const std::int64_t image = rows_ * columns_ * channels;
    const auto body = [=, this](std::int64_t begin, std::int64_t end) LAMINA_ALWAYS_INLINE {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t n = i / tiles, first = i % tiles * kChannelsAtOnce;
        const std::int64_t out = n * out_rows_ * out_columns_ * channels;
        spread(x + n * image + first, dy + out + first, dx + n * image + first,
               std::min(kChannelsAtOnce, channels - first));
      }
    };
    parallel_ranges(op_.x.shape[0] * tiles, image / tiles,
                    [&](std::int64_t begin, std::int64_t end) { vectorized(body, begin, end); });
  }

 private:
  struct Window {
    std::int64_t top, bottom, left, right;
  };

  [[nodiscard]] LAMINA_ALWAYS_INLINE std::int64_t at(std::int64_t row, std::int64_t column) const {
    return (row * columns_ + column) * channels_;
  }
  [[nodiscard]] LAMINA_ALWAYS_INLINE Window window(std::int64_t h, std::int64_t w) const {
    const std::int64_t top = h * op_.strides[0] - op_.pad_before[0];
    const std::int64_t left = w * op_.strides[1] - op_.pad_before[1];
    return {std::max<std::int64_t>(top, 0), std::min(top + op_.window[0], rows_),
            std::max<std::int64_t>(left, 0), std::min(left + op_.window[1], columns_)};
  }

  LAMINA_ALWAYS_INLINE void spread(const float* x, const float* dy, float* dx,
                                   std::int64_t count) const {
    for (std::int64_t i = 0; i < rows_ * columns_; ++i) {
      std::fill_n(dx + i * channels_, count, 0.0F);
    }
    for (std::int64_t h = 0; h < out_rows_; ++h) {
      for (std::int64_t w = 0; w < out_columns_; ++w) {
        const float* d = dy + (h * out_columns_ + w) * channels_;
        if (op_.kind == Pool2D::Kind::kMax) {
          give_largest(x, d, dx, window(h, w), count);
        } else {
          share(d, dx, window(h, w), count);
        }
      }
    }
  }

  LAMINA_ALWAYS_INLINE void share(const float* d, float* dx, const Window& in,
                                  std::int64_t count) const {
    const float part = 1.0F / static_cast<float>((in.bottom - in.top) * (in.right - in.left));
    for (std::int64_t i = in.top; i < in.bottom; ++i) {
      for (std::int64_t j = in.left; j < in.right; ++j) {
        float* to = dx + at(i, j);
        for (std::int64_t c = 0; c < count; ++c) to[c] += d[c] * part;
      }
    }
  }

  LAMINA_ALWAYS_INLINE void give_largest(const float* x, const float* d, float* dx,
                                         const Window& in, std::int64_t count) const {
    if (in.top >= in.bottom || in.left >= in.right) return;
    float best[kChannelsAtOnce];
    std::int32_t place[kChannelsAtOnce];
    std::copy_n(x + at(in.top, in.left), count, best);
    std::fill_n(place, count, static_cast<std::int32_t>(at(in.top, in.left)));
    for (std::int64_t i = in.top; i < in.bottom; ++i) {
      for (std::int64_t j = in.left; j < in.right; ++j) {
        const float* from = x + at(i, j);
        const auto here = static_cast<std::int32_t>(at(i, j));
#pragma omp simd
        for (std::int64_t c = 0; c < count; ++c) {
          const bool keep = best[c] >= from[c];
          best[c] = keep ? best[c] : from[c];
          place[c] = keep ? place[c] : here;
        }
      }
    }
    for (std::int64_t i = in.top; i < in.bottom; ++i) {
      for (std::int64_t j = in.left; j < in.right; ++j) {
        float* to = dx + at(i, j);
        const auto here = static_cast<std::int32_t>(at(i, j));
#pragma omp simd
        for (std::int64_t c = 0; c < count; ++c) to[c] += place[c] == here ? d[c] : 0.0F;
      }
    }
  }

  Pool2D op_;
  std::int64_t rows_, columns_, channels_, out_rows_, out_columns_;
};

/// Means and sums: each gradient repeated along the reduced axes.
class RepeatKernel final : public Kernel {
 public:
  RepeatKernel(const ReduceGradient& op, const Blocks& blocks)
      : blocks_(blocks),
        share_(op.of.kind == Reduce::Kind::kMean ? 1.0F / static_cast<float>(blocks.middle)
                                                 : 1.0F) {}
  void run(const KernelArgs& args) override {
    const auto* dy = static_cast<const float*>(args.inputs[0]);
    auto* dx = static_cast<float*>(args.outputs[0]);
    const std::int64_t inner = blocks_.inner;
    parallel_ranges(blocks_.outer * blocks_.middle, inner,
                    [&](std::int64_t begin, std::int64_t end) {
                      for (std::int64_t i = begin; i < end; ++i) {
                        const float* from = dy + i / blocks_.middle * inner;
                        float* to = dx + i * inner;
                        for (std::int64_t c = 0; c < inner; ++c) to[c] = from[c] * share_;
                      }
                    });
  }

 private:
  Blocks blocks_;
  float share_;
};

/// Maxima: each gradient shared evenly by the elements that equal it.
class MaxGradientKernel final : public Kernel {
 public:
  explicit MaxGradientKernel(const Blocks& blocks) : blocks_(blocks) {}
  void run(const KernelArgs& args) override {
    const auto* x = static_cast<const float*>(args.inputs[0]);
    const auto* y = static_cast<const float*>(args.inputs[1]);
    const auto* dy = static_cast<const float*>(args.inputs[2]);
    auto* dx = static_cast<float*>(args.outputs[0]);
    const std::int64_t inner = blocks_.inner, rows = blocks_.middle;
    const std::int64_t tiles = (inner + kColumns - 1) / kColumns;
    const auto body = [=](std::int64_t begin, std::int64_t end) LAMINA_ALWAYS_INLINE {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t outer = i / tiles, first = i % tiles * kColumns;
        const std::int64_t at = outer * inner + first, base = outer * rows * inner + first;
        share(x + base, y + at, dy + at, dx + base, rows, inner, std::min(kColumns, inner - first));
      }
    };
    parallel_ranges(blocks_.outer * tiles, rows * std::min(inner, kColumns),
                    [&](std::int64_t begin, std::int64_t end) { vectorized(body, begin, end); });
  }

 private:
  /// Columns that are gone through at once, down all rows.
  static constexpr std::int64_t kColumns = 64;

  LAMINA_ALWAYS_INLINE static void share(const float* x, const float* y, const float* dy, float* dx,
                                         std::int64_t rows, std::int64_t step,
                                         std::int64_t columns) {
    float each[kColumns] = {};
    for (std::int64_t row = 0; row < rows; ++row) {
#pragma omp simd
      for (std::int64_t c = 0; c < columns; ++c) {
        each[c] += x[row * step + c] == y[c] ? 1.0F : 0.0F;
      }
    }
    for (std::int64_t c = 0; c < columns; ++c) each[c] = dy[c] / each[c];
    for (std::int64_t row = 0; row < rows; ++row) {
#pragma omp simd
      for (std::int64_t c = 0; c < columns; ++c) {
        dx[row * step + c] = x[row * step + c] == y[c] ? each[c] : 0.0F;
      }
    }
  }

  Blocks blocks_;
};

}  // namespace

KernelPtr make_pool2d_gradient(const Pool2DGradient& op) {
  const Shape& x = op.of.x.shape;
  if (x[1] * x[2] * x[3] > std::numeric_limits<std::int32_t>::max()) return nullptr;
  return std::make_unique<PoolGradientKernel>(op);
}

KernelPtr make_reduce_gradient(const ReduceGradient& op) {
  const auto split = blocks(op.of.x.shape, op.of.axes);
  if (!split) return nullptr;
  if (op.of.kind == Reduce::Kind::kMax) return std::make_unique<MaxGradientKernel>(*split);
  return std::make_unique<RepeatKernel>(op, *split);
}

}  // namespace lamina::ops::cpu
