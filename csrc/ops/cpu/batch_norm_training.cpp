// Batch normalisation in training, channels last: few passes over memory, each with the activation
// (or its derivative, recomputed) in it.
#include <cmath>
#include <vector>

#include "core/denormals.h"
#include "ops/cpu/blocks.h"
#include "ops/cpu/kernels.h"
#include "ops/cpu/parallel.h"
#include "ops/cpu/vectorized.h"
#include "ops/params.h"

namespace lamina::ops::cpu {
namespace {

/// Rows that are summed in float before they are added to sums in double.
constexpr std::int64_t kRowsAtOnce = 64;
/// The rows are cut into this many parts, whatever the number of threads, so that sums do not
/// depend on it.
constexpr std::int64_t kParts = 16;

struct Matrix {
  std::int64_t rows, channels;
};

std::int64_t part_begin(const Matrix& matrix, std::int64_t part) {
  return matrix.rows * part / kParts;
}

/// Calls f(part, begin, end) for the parts of the rows.
template <class F>
void for_each_part(const Matrix& matrix, const F& f) {
  const std::int64_t elements = matrix.rows * matrix.channels;
  const core::ParallelRegion region;
#pragma omp parallel for schedule(static) if (elements >= 2 * kParallelElements)
  for (std::int64_t part = 0; part < kParts; ++part) {
    const core::SameFlushing same(region);
    f(part, part_begin(matrix, part), part_begin(matrix, part + 1));
  }
}

/// Mean and sum of squared distances from it, of `count` rows.
struct PartMoments {
  explicit PartMoments(std::int64_t channels)
      : mean(static_cast<std::size_t>(channels)), squares(static_cast<std::size_t>(channels)) {}
  double count = 0;
  std::vector<double> mean, squares;

  /// Chan's parallel update.
  template <class Mean, class Squares>
  void merge(double rows, const Mean& other_mean, const Squares& other_squares) {
    if (rows == 0) return;
    const double total = count + rows, share = rows / total, weight = count * share;
    for (std::size_t c = 0; c < mean.size(); ++c) {
      const double distance = other_mean[c] - mean[c];
      mean[c] += distance * share;
      squares[c] += other_squares[c] + distance * distance * weight;
    }
    count = total;
  }
};

class StatisticsKernel final : public Kernel {
 public:
  StatisticsKernel(const BatchNormStatistics&, const Blocks& blocks)
      : matrix_{blocks.outer, blocks.middle} {}
  void run(const KernelArgs& args) override {
    const auto* x = static_cast<const float*>(args.inputs[0]);
    auto* y = static_cast<float*>(args.outputs[0]);
    std::vector<PartMoments> parts(static_cast<std::size_t>(kParts), PartMoments(matrix_.channels));
    for_each_part(matrix_, [&](std::int64_t part, std::int64_t begin, std::int64_t end) {
      measure(x, begin, end, parts[static_cast<std::size_t>(part)]);
    });
    PartMoments all(matrix_.channels);
    for (const PartMoments& part : parts) all.merge(part.count, part.mean, part.squares);
    for (std::size_t c = 0; c < all.mean.size(); ++c) {
      y[c] = static_cast<float>(all.mean[c]);
      y[all.mean.size() + c] = static_cast<float>(all.squares[c] / all.count);
    }
  }

 private:
  /// A few rows at a time, twice: the second time they are in the cache.
  void measure(const float* x, std::int64_t begin, std::int64_t end, PartMoments& part) const {
    const std::int64_t channels = matrix_.channels;
    std::vector<float> mean(static_cast<std::size_t>(channels)), squares(mean.size());
    for (std::int64_t first = begin; first < end; first += kRowsAtOnce) {
      const std::int64_t last = std::min(first + kRowsAtOnce, end);
      const float share = 1.0F / static_cast<float>(last - first);
      float* const m = mean.data();
      float* const s = squares.data();
      std::fill(mean.begin(), mean.end(), 0.0F);
      std::fill(squares.begin(), squares.end(), 0.0F);
      vectorized(
          [=](std::int64_t from, std::int64_t to) LAMINA_ALWAYS_INLINE {
            for (std::int64_t i = from; i < to; ++i) {
              const float* row = x + i * channels;
#pragma omp simd
              for (std::int64_t c = 0; c < channels; ++c) m[c] += row[c];
            }
            for (std::int64_t c = 0; c < channels; ++c) m[c] *= share;
            for (std::int64_t i = from; i < to; ++i) {
              const float* row = x + i * channels;
#pragma omp simd
              for (std::int64_t c = 0; c < channels; ++c) {
                const float distance = row[c] - m[c];
                s[c] += distance * distance;
              }
            }
          },
          first, last);
      part.merge(static_cast<double>(last - first), mean, squares);
    }
  }

  Matrix matrix_;
};

/// What the kernels of one normalisation share: its parameters and, at each run, per channel
/// n = x * scale + offset (normalised) and z = n * gamma + beta.
class Channels {
 public:
  explicit Channels(const BatchNormTraining& op)
      : op_(op), size_(static_cast<std::size_t>(op.x.shape.dims()[op.axis])) {}

  void load(std::span<const Tensor> params) {
    const ParamIndex at(op_.scale, op_.center);
    gamma = at.gamma ? copy(params[*at.gamma]) : std::vector<float>(size_, 1.0F);
    beta = at.beta ? copy(params[*at.beta]) : std::vector<float>(size_, 0.0F);
  }
  void prepare(const float* statistics) {
    scale.resize(size_);
    mean.assign(statistics, statistics + size_);
    for (std::size_t c = 0; c < size_; ++c) {
      scale[c] = static_cast<float>(
          1.0 / std::sqrt(static_cast<double>(statistics[size_ + c]) + op_.epsilon));
    }
  }
  std::vector<float> gamma, beta, mean, scale;

 private:
  static std::vector<float> copy(const Tensor& param) {
    const Tensor values = param.cast(DType::kFloat32);
    const auto data = values.data<float>();
    return {data.begin(), data.end()};
  }
  BatchNormTraining op_;
  std::size_t size_;
};

/// Base of the three that know the parameters.
class NormKernel : public Kernel {
 public:
  NormKernel(OpSpec spec, const BatchNormTraining& op, const Blocks& blocks)
      : spec_(std::move(spec)), op_(op), matrix_{blocks.outer, blocks.middle}, channels_(op) {}
  void load_parameters(std::span<const Tensor> params) override {
    check_params(spec_, params);
    channels_.load(params);
  }

 protected:
  OpSpec spec_;
  BatchNormTraining op_;
  Matrix matrix_;
  Channels channels_;
};

class ApplyKernel final : public NormKernel {
 public:
  ApplyKernel(const BatchNormTraining& op, const Blocks& blocks) : NormKernel(op, op, blocks) {}
  [[nodiscard]] bool can_run_in_place(std::size_t index) const override { return index == 0; }
  void run(const KernelArgs& args) override {
    const auto* x = static_cast<const float*>(args.inputs[0]);
    auto* y = static_cast<float*>(args.outputs[0]);
    channels_.prepare(static_cast<const float*>(args.inputs[1]));
    const std::int64_t channels = matrix_.channels;
    for (std::size_t c = 0; c < channels_.scale.size(); ++c) {
      channels_.scale[c] *= channels_.gamma[c];
    }
    const float *mean = channels_.mean.data(), *scale = channels_.scale.data(),
                *beta = channels_.beta.data();
    with_fast_unary(op_.activation, [&](auto act) {
      const auto body = [=](std::int64_t begin, std::int64_t end) LAMINA_ALWAYS_INLINE {
        for (std::int64_t i = begin; i < end; ++i) {
          const float* from = x + i * channels;
          float* to = y + i * channels;
#pragma omp simd
          for (std::int64_t c = 0; c < channels; ++c) {
            to[c] = act((from[c] - mean[c]) * scale[c] + beta[c]);
          }
        }
      };
      parallel_ranges(matrix_.rows, channels,
                      [&](std::int64_t begin, std::int64_t end) { vectorized(body, begin, end); });
    });
  }
};

class SumsKernel final : public NormKernel {
 public:
  SumsKernel(const BatchNormSums& op, const Blocks& blocks) : NormKernel(op, op.of, blocks) {}
  void run(const KernelArgs& args) override {
    const auto* x = static_cast<const float*>(args.inputs[0]);
    const auto* dy = static_cast<const float*>(args.inputs[2]);
    auto* y = static_cast<float*>(args.outputs[0]);
    channels_.prepare(static_cast<const float*>(args.inputs[1]));
    const auto size = static_cast<std::size_t>(2 * matrix_.channels);
    std::vector<std::vector<double>> parts(static_cast<std::size_t>(kParts),
                                           std::vector<double>(size, 0.0));
    with_fast_unary(op_.activation, [&](auto act) {
      for_each_part(matrix_, [&](std::int64_t part, std::int64_t begin, std::int64_t end) {
        add(act, x, dy, begin, end, parts[static_cast<std::size_t>(part)]);
      });
    });
    for (std::size_t c = 0; c < size; ++c) {
      double sum = 0;
      for (const std::vector<double>& part : parts) sum += part[c];
      y[c] = static_cast<float>(sum);
    }
  }

 private:
  template <class Act>
  void add(const Act& act, const float* x, const float* dy, std::int64_t begin, std::int64_t end,
           std::vector<double>& sums) const {
    const std::int64_t channels = matrix_.channels;
    std::vector<float> partial(sums.size());
    float* const plain = partial.data();
    float* const weighted = plain + channels;
    const float *mean = channels_.mean.data(), *scale = channels_.scale.data(),
                *gamma = channels_.gamma.data(), *beta = channels_.beta.data();
    const auto body = [=](std::int64_t from, std::int64_t to) LAMINA_ALWAYS_INLINE {
      for (std::int64_t i = from; i < to; ++i) {
        const float *a = x + i * channels, *b = dy + i * channels;
#pragma omp simd
        for (std::int64_t c = 0; c < channels; ++c) {
          const float n = (a[c] - mean[c]) * scale[c];
          const float dz = b[c] * act.derivative(n * gamma[c] + beta[c]);
          plain[c] += dz;
          weighted[c] += dz * n;
        }
      }
    };
    for (std::int64_t first = begin; first < end; first += kRowsAtOnce) {
      std::fill(partial.begin(), partial.end(), 0.0F);
      vectorized(body, first, std::min(first + kRowsAtOnce, end));
      for (std::size_t c = 0; c < sums.size(); ++c) sums[c] += partial[c];
    }
  }
};

class GradientKernel final : public NormKernel {
 public:
  GradientKernel(const BatchNormGradient& op, const Blocks& blocks)
      : NormKernel(op, op.of, blocks) {}
  [[nodiscard]] bool can_run_in_place(std::size_t index) const override {
    return index == 0 || index == 2;
  }
  void run(const KernelArgs& args) override {
    const auto* x = static_cast<const float*>(args.inputs[0]);
    const auto* dy = static_cast<const float*>(args.inputs[2]);
    const auto* sums = static_cast<const float*>(args.inputs[3]);
    auto* dx = static_cast<float*>(args.outputs[0]);
    channels_.prepare(static_cast<const float*>(args.inputs[1]));
    const std::int64_t channels = matrix_.channels;
    const float share = 1.0F / static_cast<float>(matrix_.rows);
    // dx = (dz - mean(dz) - n * mean(dz * n)) * gamma * scale.
    std::vector<float> factors(static_cast<std::size_t>(3 * channels));
    float *plain = factors.data(), *weighted = plain + channels, *outer = weighted + channels;
    for (std::int64_t c = 0; c < channels; ++c) {
      plain[c] = sums[c] * share;
      weighted[c] = sums[channels + c] * share;
      outer[c] = channels_.gamma[static_cast<std::size_t>(c)] *
                 channels_.scale[static_cast<std::size_t>(c)];
    }
    const float *mean = channels_.mean.data(), *scale = channels_.scale.data(),
                *gamma = channels_.gamma.data(), *beta = channels_.beta.data();
    with_fast_unary(op_.activation, [&](auto act) {
      const auto body = [=](std::int64_t begin, std::int64_t end) LAMINA_ALWAYS_INLINE {
        for (std::int64_t i = begin; i < end; ++i) {
          const float *a = x + i * channels, *b = dy + i * channels;
          float* to = dx + i * channels;
          for (std::int64_t c = 0; c < channels; ++c) {
            const float n = (a[c] - mean[c]) * scale[c];
            const float dz = b[c] * act.derivative(n * gamma[c] + beta[c]);
            to[c] = (dz - plain[c] - n * weighted[c]) * outer[c];
          }
        }
      };
      parallel_ranges(matrix_.rows, channels,
                      [&](std::int64_t begin, std::int64_t end) { vectorized(body, begin, end); });
    });
  }
};

/// Nothing unless the channels come last.
template <class Kernel, class Op>
KernelPtr channels_last(const Op& op, const TensorSpec& x, std::size_t axis) {
  const auto split = blocks(x.shape, {axis});
  if (!split || split->inner != 1) return nullptr;
  return std::make_unique<Kernel>(op, *split);
}

}  // namespace

KernelPtr make_batch_norm_statistics(const BatchNormStatistics& op) {
  return channels_last<StatisticsKernel>(op, op.x, op.axis);
}
KernelPtr make_batch_norm_training(const BatchNormTraining& op) {
  return channels_last<ApplyKernel>(op, op.x, op.axis);
}
KernelPtr make_batch_norm_sums(const BatchNormSums& op) {
  return channels_last<SumsKernel>(op, op.of.x, op.of.axis);
}
KernelPtr make_batch_norm_gradient(const BatchNormGradient& op) {
  return channels_last<GradientKernel>(op, op.of.x, op.of.axis);
}

}  // namespace lamina::ops::cpu
