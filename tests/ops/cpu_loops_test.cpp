// Loops that are written for the processor's vectors, against what defines them.
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "ops/cpu/kernels.h"
#include "ops/cpu/vectorized.h"
#include "ops/dropout_mask.h"
#include "ops/reference/reference_backend.h"
#include "tests/fresh_seed.h"

namespace lamina::ops {
namespace {

std::vector<float> run(Kernel& kernel, const std::vector<const void*>& inputs, std::int64_t size) {
  std::vector<float> y(static_cast<std::size_t>(size), std::nanf(""));
  void* output = y.data();
  std::vector<std::byte> workspace(kernel.workspace_bytes());
  kernel.run({inputs, {&output, 1}, workspace.data()});
  return y;
}

class CpuLoops : public ::testing::Test {
 protected:
  CpuLoops()
      : seed_(lamina::test::fresh_seed()), random_(seed_), trace_(__FILE__, __LINE__, seed_) {}
  std::vector<float> uniform(std::int64_t size, float low, float high) {
    std::vector<float> x(static_cast<std::size_t>(size));
    std::uniform_real_distribution<float> numbers(low, high);
    for (float& value : x) value = numbers(random_);
    return x;
  }
  std::int64_t pick(std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(random_);
  }

  unsigned seed_;
  std::mt19937 random_;
  ::testing::ScopedTrace trace_;
};

// Also far out, where a sum with 1 would leave nothing of them.
TEST_F(CpuLoops, DerivativesOfGeluKeepTheirDigits) {
  for (const Unary kind : {Unary::kGelu, Unary::kGeluTanh}) {
    // Beyond that even double's 1 + tanh has lost what is left.
    const float limit = kind == Unary::kGelu ? 12.0F : 5.0F;
    const std::int64_t size = pick(1'000, 1'100);
    const std::vector<float> x = uniform(size, -limit, limit), dy = uniform(size, -2, 2);
    UnaryGradient op;
    op.of.activation = {kind};
    op.of.x.shape = op.of.y.shape = op.y.shape = {size};
    const auto dx = run(*cpu::make_unary_gradient(op), {x.data(), dy.data()}, size);
    with_unary<double>(op.of.activation, [&](auto act) {
      cpu::with_fast_unary(op.of.activation, [&](auto fast) {
        for (std::size_t i = 0; i < x.size(); ++i) {
          const double at = x[i], slope = act.derivative(at), d = dy[i];
          // Its two terms cancel where gelu is least.
          const double near = 1e-6 * std::exp(-0.5 * at * at);
          ASSERT_NEAR(dx[i], d * slope, std::abs(d) * (2e-5 * std::abs(slope) + near)) << at;
          ASSERT_NEAR(fast(x[i]), act(at), 2e-5 * std::abs(act(at))) << at;
        }
      });
    });
  }
}

// Whatever is done with denormal numbers, of which the sigmoid of such would be one.
TEST_F(CpuLoops, DerivativesFarOutAre0And1) {
  const std::vector<float> x{-1e18F, -1e15F, -1e6F, -120.0F, 120.0F, 1e6F, 1e15F, 1e18F};
  const std::vector<float> dy(x.size(), 1.0F);
  const auto size = static_cast<std::int64_t>(x.size());
  for (const Unary kind : {Unary::kSilu, Unary::kGelu, Unary::kGeluTanh}) {
    UnaryGradient op;
    op.of.activation = {kind};
    op.of.x.shape = op.of.y.shape = op.y.shape = {size};
    const auto dx = run(*cpu::make_unary_gradient(op), {x.data(), dy.data()}, size);
    for (std::size_t i = 0; i < x.size(); ++i) {
      EXPECT_EQ(dx[i], x[i] < 0 ? 0.0F : 1.0F) << static_cast<int>(kind) << " at " << x[i];
    }
  }
}

// In one float the sum of such a row loses more than its numbers differ by.
TEST_F(CpuLoops, LongRowsFarFrom0AreNormalised) {
  const std::int64_t size = pick(1'000'000, 1'001'000);
  const std::vector<float> x = uniform(size, 1e4F - 2, 1e4F + 2), dy = uniform(size, -1, 2);
  LayerNorm of;
  of.x.shape = of.y.shape = {1, size};
  of.axes = {1};
  of.scale = of.center = false;
  of.epsilon = 1e-3;
  LayerNormGradient op;
  op.of = of;
  op.y.shape = of.x.shape;
  const auto forward = cpu::make_layer_norm(of);
  const auto backward = cpu::make_layer_norm_gradient(op);
  forward->load_parameters({});
  backward->load_parameters({});
  const auto y = run(*forward, {x.data()}, size), dx = run(*backward, {x.data(), dy.data()}, size);
  const auto count = static_cast<double>(size);
  double mean = 0, squares = 0, sum = 0, weighted = 0;
  for (const float value : x) mean += value / count;
  for (std::size_t i = 0; i < x.size(); ++i) {
    squares += (x[i] - mean) * (x[i] - mean) / count;
    sum += dy[i] / count;
    weighted += dy[i] * (x[i] - mean) / count;
  }
  const double scale = 1 / std::sqrt(squares + of.epsilon);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double distance = x[i] - mean;
    ASSERT_NEAR(y[i], distance * scale, 2e-3) << i;  // the mean has been rounded
    ASSERT_NEAR(dx[i], scale * (dy[i] - sum - weighted * scale * scale * distance), 1e-3) << i;
  }
}

TEST_F(CpuLoops, EqualMaximaShareTheirGradient) {
  Reduce of;
  of.kind = Reduce::Kind::kMax;
  of.x.shape = {pick(1, 3), pick(2, 9), pick(1, 150)};
  of.axes = {1};
  of.y.shape = {of.x.shape[0], of.x.shape[2]};
  std::vector<float> x = uniform(of.x.shape.size(), 0, 3);
  for (float& value : x) value = std::floor(value);  // many are equal
  const std::vector<float> dy = uniform(of.y.shape.size(), -1, 1);
  const auto y = run(*cpu::make_reduce(of), {x.data()}, of.y.shape.size());
  ReduceGradient op;
  op.of = of;
  op.y.shape = of.x.shape;
  const std::vector<const void*> inputs{x.data(), y.data(), dy.data()};
  ReferenceBackend reference;
  EXPECT_EQ(run(*cpu::make_reduce_gradient(op), inputs, op.y.shape.size()),
            run(*reference.make(op), inputs, op.y.shape.size()));
}

TEST_F(CpuLoops, DropoutKeepsWhatItsMaskSays) {
  Dropout op;
  op.rate = 0.3;
  op.stream = static_cast<std::uint32_t>(random_());
  const std::int64_t size = pick(500, 1'000);
  op.x.shape = op.y.shape = {size};
  const std::vector<float> x = uniform(size, 1, 2);
  const std::uint64_t state[2] = {random_(), random_()};
  const auto y = run(*cpu::make_dropout(op), {x.data(), state}, size);
  const DropoutMask mask(op, state);
  const auto scale = static_cast<float>(1 / (1 - op.rate));
  for (std::int64_t i = 0; i < size; ++i) {
    const auto at = static_cast<std::size_t>(i);
    ASSERT_EQ(y[at], mask.keeps(i) ? x[at] * scale : 0.0F) << i;
  }
}

}  // namespace
}  // namespace lamina::ops
