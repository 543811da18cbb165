#include <omp.h>

#include <algorithm>

#include "core/denormals.h"
#include "ops/cpu/kernels.h"
#include "ops/cpu/parallel.h"
#include "ops/resize_weights.h"

namespace lamina::ops::cpu {
namespace {

/// One row of the output at a time: the input rows that it needs are blended into scratch memory,
/// then the columns of that.
class ResizeKernel final : public Kernel {
 public:
  explicit ResizeKernel(const Resize2D& op)
      : op_(op),
        rows_(resize_taps(op, 1)),
        columns_(resize_taps(op, 2)),
        row_size_(op.x.shape[2] * op.x.shape[3]),
        threads_(omp_get_max_threads()) {}

  [[nodiscard]] std::size_t workspace_bytes() const override {
    return static_cast<std::size_t>(row_size_ * threads_) * sizeof(float);
  }
  void run(const KernelArgs& args) override {
    const auto* x = static_cast<const float*>(args.inputs[0]);
    auto* y = static_cast<float*>(args.outputs[0]);
    auto* scratch = static_cast<float*>(args.workspace);
    const std::int64_t height = op_.y.shape[1];
    const std::int64_t image = op_.x.shape[1] * row_size_;
    const std::int64_t out_row = op_.y.shape[2] * op_.y.shape[3];
    const std::int64_t lines = op_.y.shape[0] * height;
    const core::ParallelRegion region;
#pragma omp parallel for schedule(static) \
    num_threads(threads_) if (lines * out_row > kParallelElements)
    for (std::int64_t i = 0; i < lines; ++i) {
      const core::SameFlushing same(region);
      float* blended = scratch + omp_get_thread_num() * row_size_;
      const ResizeTaps& taps = rows_[static_cast<std::size_t>(i % height)];
      blend(taps, x + i / height * image, row_size_, row_size_, blended);
      for (std::int64_t w = 0; w < op_.y.shape[2]; ++w) {
        const std::int64_t channels = op_.y.shape[3];
        blend(columns_[static_cast<std::size_t>(w)], blended, channels, channels,
              y + i * out_row + w * channels);
      }
    }
  }

 private:
  /// y = the weighted sum of vectors of `size` elements, `step` apart, in x.
  static void blend(const ResizeTaps& taps, const float* x, std::int64_t step, std::int64_t size,
                    float* y) {
    x += taps.first * step;
    const auto first = static_cast<float>(taps.weights[0]);
    for (std::int64_t c = 0; c < size; ++c) y[c] = x[c] * first;
    for (std::size_t k = 1; k < taps.weights.size(); ++k) {
      x += step;
      const auto weight = static_cast<float>(taps.weights[k]);
      for (std::int64_t c = 0; c < size; ++c) y[c] += x[c] * weight;
    }
  }

  Resize2D op_;
  std::vector<ResizeTaps> rows_, columns_;
  std::int64_t row_size_;
  int threads_;
};

/// The same the other way round: each row of dy is spread along its columns into scratch memory,
/// and that over the rows of dx. Image by image.
class ResizeGradientKernel final : public Kernel {
 public:
  explicit ResizeGradientKernel(const Resize2DGradient& op)
      : op_(op.of),
        rows_(resize_taps(op_, 1)),
        columns_(resize_taps(op_, 2)),
        row_size_(op_.x.shape[2] * op_.x.shape[3]),
        threads_(omp_get_max_threads()) {}

  [[nodiscard]] std::size_t workspace_bytes() const override {
    return static_cast<std::size_t>(row_size_ * threads_) * sizeof(float);
  }
  void run(const KernelArgs& args) override {
    const auto* dy = static_cast<const float*>(args.inputs[0]);
    auto* dx = static_cast<float*>(args.outputs[0]);
    auto* scratch = static_cast<float*>(args.workspace);
    const std::int64_t in_image = op_.x.shape[1] * row_size_;
    const std::int64_t out_row = op_.y.shape[2] * op_.y.shape[3];
    const core::ParallelRegion region;
#pragma omp parallel for schedule(static) \
    num_threads(threads_) if (op_.y.shape.size() > kParallelElements)
    for (std::int64_t n = 0; n < op_.x.shape[0]; ++n) {
      const core::SameFlushing same(region);
      float* const gathered = scratch + omp_get_thread_num() * row_size_;
      float* const image = dx + n * in_image;
      std::fill_n(image, in_image, 0.0F);
      for (std::size_t h = 0; h < rows_.size(); ++h) {
        const std::int64_t row = n * op_.y.shape[1] + static_cast<std::int64_t>(h);
        gather(dy + row * out_row, gathered);
        spread(rows_[h], gathered, row_size_, image);
      }
    }
  }

 private:
  void gather(const float* dy, float* row) const {
    const std::int64_t channels = op_.x.shape[3];
    std::fill_n(row, row_size_, 0.0F);
    for (std::size_t w = 0; w < columns_.size(); ++w) {
      spread(columns_[w], dy + static_cast<std::int64_t>(w) * channels, channels, row);
    }
  }
  /// Adds the vector `from` of `size` elements, weighted, to each of its taps' vectors in `to`.
  static void spread(const ResizeTaps& taps, const float* from, std::int64_t size, float* to) {
    to += taps.first * size;
    for (const double tap : taps.weights) {
      const auto weight = static_cast<float>(tap);
      for (std::int64_t c = 0; c < size; ++c) to[c] += from[c] * weight;
      to += size;
    }
  }

  Resize2D op_;
  std::vector<ResizeTaps> rows_, columns_;
  std::int64_t row_size_;
  int threads_;
};

}  // namespace

KernelPtr make_resize2d_gradient(const Resize2DGradient& op) {
  return std::make_unique<ResizeGradientKernel>(op);
}

KernelPtr make_resize2d(const Resize2D& op) {
  return std::make_unique<ResizeKernel>(op);
}

}  // namespace lamina::ops::cpu
