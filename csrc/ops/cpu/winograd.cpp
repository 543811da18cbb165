#include <omp.h>

#include <algorithm>
#include <array>
#include <optional>

#include "core/denormals.h"
#include "ops/cpu/kernels.h"
#include "ops/cpu/winograd_tiles.h"
#include "ops/params.h"

namespace lamina::ops::cpu {
namespace {

using namespace winograd;

constexpr std::int64_t kChunk = 2 * kLanes;  // output channels of one matrix product
// Kernels grow fourfold. Where there are few tiles to share them, reading them costs what they
// save.
constexpr std::int64_t kFewestTiles = 2 * kRows;

std::int64_t divide_up(std::int64_t a, std::int64_t b) {
  return (a + b - 1) / b;
}

std::optional<Function> function_of(const Activation& activation) {
  if (activation.kind == Unary::kLinear) return Function::kLinear;
  if (activation.kind == Unary::kSilu) return Function::kSilu;
  if (activation == relu()) return Function::kRelu;
  return std::nullopt;
}

std::int64_t tiles_of(const Conv2D& op) {
  return op.y.shape[0] * divide_up(op.y.shape[1], kTile) * divide_up(op.y.shape[2], kTile);
}

/// Side by side, for the output channels of one vector.
using Lanes = std::array<double, kLanes>;

/// G g G^T of a 3x3 kernel, in double.
void transform_kernel(const std::array<Lanes, 9>& g, std::array<Lanes, kPoints>& u) {
  constexpr double kA2 = kNear * kNear, kB2 = kFar * kFar;
  constexpr double kNearScale = 1 / (2 * kA2 * (kA2 - kB2)),
                   kFarScale = 1 / (2 * kB2 * (kB2 - kA2));
  constexpr double kG[6][3] = {{1 / (kA2 * kB2), 0, 0},
                               {kNearScale, kNear * kNearScale, kA2 * kNearScale},
                               {kNearScale, -kNear * kNearScale, kA2 * kNearScale},
                               {kFarScale, kFar * kFarScale, kB2 * kFarScale},
                               {kFarScale, -kFar * kFarScale, kB2 * kFarScale},
                               {0, 0, 1}};
  const auto combine = [](const double* row, const Lanes& a, const Lanes& b, const Lanes& c,
                          Lanes& out) {
    for (std::size_t i = 0; i < out.size(); ++i) {
      out[i] = row[0] * a[i] + row[1] * b[i] + row[2] * c[i];
    }
  };
  std::array<Lanes, 18> half;  // G g: six rows of three
  for (std::size_t p = 0; p < 6; ++p) {
    for (std::size_t j = 0; j < 3; ++j) combine(kG[p], g[j], g[3 + j], g[6 + j], half[3 * p + j]);
  }
  for (std::size_t p = 0; p < kPoints; ++p) {
    const Lanes* row = &half[p / 6 * 3];
    combine(kG[p % 6], row[0], row[1], row[2], u[p]);
  }
}

class WinogradKernel final : public Kernel {
 public:
  /// `source`: what has the parameters; with `flipped` a Conv2DTranspose, whose kernel is op's
  /// turned by half a turn, input and output channels exchanged.
  WinogradKernel(OpSpec source, const Conv2D& op, Function function, bool flipped)
      : source_(std::move(source)),
        flipped_(flipped),
        op_(op),
        function_(function),
        threads_(omp_get_max_threads()),
        in_(op.x.shape[3]),
        out_(op.y.shape[3]),
        tiles_(tiles_of(op)),
        group_(tiles_in_a_group()) {}

  void load_parameters(std::span<const Tensor> params) override;
  [[nodiscard]] std::size_t workspace_bytes() const override {
    return static_cast<std::size_t>(threads_ * floats_a_thread()) * sizeof(float);
  }
  [[nodiscard]] bool can_run_in_place(std::size_t index) const override { return index == 1; }
  void run(const KernelArgs& args) override;

 private:
  /// Larger groups read the kernels less often; smaller ones share out better.
  [[nodiscard]] std::int64_t tiles_in_a_group() const {
    const auto longest = [&](std::int64_t group) {
      return divide_up(divide_up(tiles_, group), threads_) * group;
    };
    return longest(2 * kRows) <= longest(kRows) ? 2 * kRows : kRows;
  }
  /// Transforms the kernels of one input channel and a vector of output channels.
  void pack(const float* given, std::int64_t in, std::int64_t out, float* u) const;
  [[nodiscard]] std::int64_t floats_a_thread() const { return kPoints * group_ * (in_ + kChunk); }
  /// Where the kernels of the chunk that starts at channel `out` begin.
  [[nodiscard]] std::size_t chunk_offset(std::int64_t out) const {
    return static_cast<std::size_t>(out * kPoints * in_);
  }
  void run_group(std::int64_t first, const KernelArgs& args, float* memory) const;
  void multiply_all(const float* v, std::int64_t out, std::int64_t lanes, float* m) const;

  struct Place {
    std::int64_t image, row, column;
  };
  [[nodiscard]] Place place(std::int64_t tile) const {
    const std::int64_t columns = divide_up(op_.y.shape[2], kTile);
    const std::int64_t rows = divide_up(op_.y.shape[1], kTile);
    return {tile / (rows * columns), tile / columns % rows * kTile, tile % columns * kTile};
  }

  OpSpec source_;
  bool flipped_;
  Conv2D op_;
  Function function_;
  std::int64_t threads_, in_, out_, tiles_, group_;
  Tensor
      kernels_;  ///< by chunk of output channels, point, input channel, output channel in the chunk
  Tensor bias_;
};

void WinogradKernel::load_parameters(std::span<const Tensor> params) {
  check_params(source_, params);
  const Tensor kernel = params[0].cast(DType::kFloat32);
  if (!kernels_.defined()) kernels_ = Tensor::empty({kPoints * in_ * out_});
  const float* given = kernel.data<float>().data();
  float* const u = kernels_.data<float>().data();
#pragma omp parallel for schedule(static)
  for (std::int64_t in = 0; in < in_; ++in) {
    for (std::int64_t out = 0; out < out_; out += kLanes) pack(given, in, out, u);
  }
  if (op_.bias) bias_ = params[1].cast(DType::kFloat32).clone();
}

void WinogradKernel::pack(const float* given, std::int64_t in, std::int64_t out, float* u) const {
  std::array<Lanes, 9> g;
  for (std::size_t tap = 0; tap < g.size(); ++tap) {
    const std::size_t source = flipped_ ? g.size() - 1 - tap : tap;
    const float* from = given + static_cast<std::int64_t>(source) * in_ * out_ +
                        (flipped_ ? out * in_ + in : in * out_ + out);
    const std::int64_t step = flipped_ ? in_ : 1;
    for (std::int64_t lane = 0; lane < kLanes; ++lane) {
      g[tap][static_cast<std::size_t>(lane)] = from[lane * step];
    }
  }
  std::array<Lanes, kPoints> points;
  transform_kernel(g, points);
  const std::int64_t chunk = out / kChunk * kChunk, lanes = std::min(kChunk, out_ - chunk);
  float* to = u + chunk_offset(chunk) + static_cast<std::size_t>(in * lanes + out - chunk);
  for (const Lanes& point : points) {
    for (std::size_t lane = 0; lane < point.size(); ++lane) {
      to[lane] = static_cast<float>(point[lane]);
    }
    to += in_ * lanes;
  }
}

void WinogradKernel::multiply_all(const float* v, std::int64_t out, std::int64_t lanes,
                                  float* m) const {
  const float* u = kernels_.data<float>().data() + chunk_offset(out);
  for (std::int64_t point = 0; point < kPoints; ++point) {
    for (std::int64_t row = 0; row < group_; row += kRows) {
      multiply(v + point * group_ * in_ + row * kLanes, group_ * kLanes, u + point * in_ * lanes,
               in_ / kLanes, lanes, m + (point * group_ + row) * lanes);
    }
  }
}

void WinogradKernel::run_group(std::int64_t first, const KernelArgs& args, float* memory) const {
  float* const v = memory;
  float* const m = memory + kPoints * group_ * in_;
  const Image in{op_.x.shape[1], op_.x.shape[2], in_}, out{op_.y.shape[1], op_.y.shape[2], out_};
  const std::int64_t count = std::min(group_, tiles_ - first);
  for (std::int64_t i = 0; i < group_; ++i) {
    // Slots past the last tile repeat it, so that they hold numbers.
    const Place at = place(first + std::min(i, count - 1));
    const auto* x =
        static_cast<const float*>(args.inputs[0]) + at.image * in.height * in.width * in_;
    transform_input(x, in, at.row - op_.pad_before[0], at.column - op_.pad_before[1],
                    v + i * kLanes, group_ * in_, group_ * kLanes);
  }
  for (std::int64_t channel = 0; channel < out_; channel += kChunk) {
    const std::int64_t lanes = std::min(kChunk, out_ - channel);
    multiply_all(v, channel, lanes, m);
    for (std::int64_t i = 0; i < count; ++i) {
      const Place at = place(first + i);
      const std::int64_t offset = at.image * out.height * out.width * out_ + channel;
      const Output output{
          static_cast<float*>(args.outputs[0]) + offset,
          op_.bias ? bias_.data<float>().data() + channel : nullptr,
          op_.residual ? static_cast<const float*>(args.inputs[1]) + offset : nullptr, function_,
          out};
      transform_output(m + i * lanes, group_ * lanes, lanes, output, at.row, at.column);
    }
  }
}

void WinogradKernel::run(const KernelArgs& args) {
  auto* const memory = static_cast<float*>(args.workspace);
  const core::ParallelRegion region;
#pragma omp parallel for schedule(static, 1) num_threads(static_cast <int>(threads_))
  for (std::int64_t first = 0; first < tiles_; first += group_) {
    const core::SameFlushing same(region);
    run_group(first, args, memory + omp_get_thread_num() * floats_a_thread());
  }
}

bool suits(const Conv2D& op) {
  const Pair one{1, 1}, three{3, 3};
  return op.kernel == three && op.strides == one && op.dilation == one && op.groups == 1 &&
         op.x.shape[3] % kLanes == 0 && op.y.shape[3] % kLanes == 0 && tiles_of(op) >= kFewestTiles;
}

}  // namespace

KernelPtr make_winograd(const Conv2D& op) {
  const auto function = function_of(op.activation);
  if (!function || !suits(op) || !available()) return nullptr;
  return std::make_unique<WinogradKernel>(op, op, *function, false);
}

KernelPtr make_winograd(const Conv2DTranspose& op) {
  if (op.groups != 1) return nullptr;
  Conv2D same{.x = op.x, .y = op.y};
  same.kernel = op.kernel;
  same.strides = op.strides;
  same.dilation = op.dilation;
  for (std::size_t i = 0; i < 2; ++i) {
    same.pad_before[i] = op.kernel[i] - 1 - op.pad_before[i];
    same.pad_after[i] = op.kernel[i] - 1 - op.pad_after[i];
    if (same.pad_before[i] < 0 || same.pad_after[i] < 0) return nullptr;
  }
  same.bias = op.bias;
  same.activation = op.activation;
  const auto function = function_of(op.activation);
  if (!function || !suits(same) || !available()) return nullptr;
  return std::make_unique<WinogradKernel>(op, same, *function, true);
}

}  // namespace lamina::ops::cpu
