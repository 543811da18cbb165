#include <algorithm>
#include <limits>

#include "ops/cpu/blocks.h"
#include "ops/cpu/kernels.h"
#include "ops/cpu/parallel.h"

namespace lamina::ops::cpu {
namespace {

/// Channels that are worked on together: their best values and places stay in the first-level
/// cache.
constexpr std::int64_t kChannelsAtOnce = 64;

/// Image by image (windows may overlap), some channels at a time.
class PoolGradientKernel final : public Kernel {
 public:
  explicit PoolGradientKernel(const Pool2DGradient& op) : op_(op.of) {}
  void run(const KernelArgs& args) override {
    const bool is_max = op_.kind == Pool2D::Kind::kMax;
    const auto* x = static_cast<const float*>(args.inputs[0]);
    const auto* dy = static_cast<const float*>(args.inputs[is_max ? 1 : 0]);
    auto* dx = static_cast<float*>(args.outputs[0]);
    const std::int64_t channels = op_.x.shape[3];
    const std::int64_t tiles = (channels + kChannelsAtOnce - 1) / kChannelsAtOnce;
    const std::int64_t image = op_.x.shape[1] * op_.x.shape[2] * channels;
    parallel_ranges(op_.x.shape[0] * tiles, image / tiles,
                    [&](std::int64_t begin, std::int64_t end) {
                      for (std::int64_t i = begin; i < end; ++i) {
                        const std::int64_t n = i / tiles, first = i % tiles * kChannelsAtOnce;
                        const std::int64_t out = n * op_.y.shape[1] * op_.y.shape[2] * channels;
                        spread(x + n * image + first, dy + out + first, dx + n * image + first,
                               std::min(kChannelsAtOnce, channels - first));
                      }
                    });
  }

 private:
  struct Window {
    std::int64_t top, bottom, left, right;
  };

  [[nodiscard]] std::int64_t at(std::int64_t row, std::int64_t column) const {
    return (row * op_.x.shape[2] + column) * op_.x.shape[3];
  }
  [[nodiscard]] Window window(std::int64_t h, std::int64_t w) const {
    const std::int64_t top = h * op_.strides[0] - op_.pad_before[0];
    const std::int64_t left = w * op_.strides[1] - op_.pad_before[1];
    return {std::max<std::int64_t>(top, 0), std::min(top + op_.window[0], op_.x.shape[1]),
            std::max<std::int64_t>(left, 0), std::min(left + op_.window[1], op_.x.shape[2])};
  }

  void spread(const float* x, const float* dy, float* dx, std::int64_t count) const {
    for (std::int64_t i = 0; i < op_.x.shape[1] * op_.x.shape[2]; ++i) {
      std::fill_n(dx + i * op_.x.shape[3], count, 0.0F);
    }
    for (std::int64_t h = 0; h < op_.y.shape[1]; ++h) {
      for (std::int64_t w = 0; w < op_.y.shape[2]; ++w) {
        const float* d = dy + (h * op_.y.shape[2] + w) * op_.y.shape[3];
        if (op_.kind == Pool2D::Kind::kMax) {
          give_largest(x, d, dx, window(h, w), count);
        } else {
          share(d, dx, window(h, w), count);
        }
      }
    }
  }

  void share(const float* d, float* dx, const Window& in, std::int64_t count) const {
    const float part = 1.0F / static_cast<float>((in.bottom - in.top) * (in.right - in.left));
    for (std::int64_t i = in.top; i < in.bottom; ++i) {
      for (std::int64_t j = in.left; j < in.right; ++j) {
        float* to = dx + at(i, j);
        for (std::int64_t c = 0; c < count; ++c) to[c] += d[c] * part;
      }
    }
  }

  void give_largest(const float* x, const float* d, float* dx, const Window& in,
                    std::int64_t count) const {
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

}  // namespace

KernelPtr make_pool2d_gradient(const Pool2DGradient& op) {
  const Shape& x = op.of.x.shape;
  if (x[1] * x[2] * x[3] > std::numeric_limits<std::int32_t>::max()) return nullptr;
  return std::make_unique<PoolGradientKernel>(op);
}

KernelPtr make_reduce_gradient(const ReduceGradient& op) {
  if (op.of.kind == Reduce::Kind::kMax) return nullptr;
  const auto split = blocks(op.of.x.shape, op.of.axes);
  return split ? std::make_unique<RepeatKernel>(op, *split) : nullptr;
}

}  // namespace lamina::ops::cpu
