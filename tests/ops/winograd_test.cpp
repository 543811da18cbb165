#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <iostream>
#include <random>

#include "ops/cpu/kernels.h"
#include "ops/cpu/winograd_tiles.h"
#include "ops/reference/reference_backend.h"
#include "tests/fresh_seed.h"

using namespace lamina;
using namespace lamina::ops;

namespace {

Tensor random_tensor(Shape shape, std::mt19937_64& rng) {
  std::normal_distribution<float> normal;
  Tensor t = Tensor::empty(std::move(shape));
  for (float& v : t.data<float>()) v = normal(rng);
  return t;
}

std::vector<float> poison(std::size_t size) {
  return std::vector<float>(size, std::nanf(""));
}

/// Runs with every byte that the kernel may not rely on poisoned.
Tensor run(Kernel& kernel, const Conv2D& op, const std::vector<Tensor>& params, const Tensor& x,
           const Tensor& residual, bool in_place) {
  kernel.load_parameters(params);
  Tensor y = Tensor::empty(op.y.shape);
  std::memset(y.raw(), 0xff, y.nbytes());
  if (in_place) std::memcpy(y.raw(), residual.raw(), y.nbytes());
  std::vector<const void*> inputs{x.raw()};
  if (op.residual) inputs.push_back(in_place ? y.raw() : residual.raw());
  void* output = y.raw();
  auto workspace = poison(kernel.workspace_bytes() / sizeof(float));
  kernel.run({inputs, {&output, 1}, workspace.data()});
  return y;
}

Conv2D random_conv(std::mt19937_64& rng) {
  const auto draw = [&](std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(rng);
  };
  Conv2D op;
  op.kernel = {3, 3};
  op.pad_before = {draw(0, 2), draw(0, 2)};
  op.pad_after = {draw(0, 2), draw(0, 2)};
  const std::int64_t height = draw(25, 34), width = draw(25, 34);
  op.x.shape = {draw(1, 2), height, width, 16 * draw(1, 4)};
  op.y.shape = {op.x.shape[0], height + op.pad_before[0] + op.pad_after[0] - 2,
                width + op.pad_before[1] + op.pad_after[1] - 2, 16 * draw(1, 5)};
  op.bias = draw(0, 1) == 1;
  op.residual = draw(0, 1) == 1;
  const std::vector<Activation> activations{{}, relu(), {Unary::kSilu}};
  op.activation = activations[static_cast<std::size_t>(draw(0, 2))];
  return op;
}

}  // namespace

TEST(Winograd, ComputesWhatTheReferenceComputes) {
  if (!cpu::winograd::available()) {
    // Nothing but the refusal can be seen to hold here.
    Conv2D op;
    op.kernel = {3, 3};
    op.x.shape = op.y.shape = {1, 64, 64, 16};
    EXPECT_EQ(cpu::make_winograd(op), nullptr);
    return;
  }
  const std::uint64_t seed = lamina::test::fresh_seed();
  std::cout << "seed " << seed << "\n";
  std::mt19937_64 rng(seed);
  ReferenceBackend reference;
  for (int round = 0; round < 25; ++round) {
    const Conv2D op = random_conv(rng);
    const KernelPtr kernel = cpu::make_winograd(op);
    ASSERT_NE(kernel, nullptr);
    std::vector<Tensor> params{random_tensor({3, 3, op.x.shape[3], op.y.shape[3]}, rng)};
    if (op.bias) params.push_back(random_tensor({op.y.shape[3]}, rng));
    const Tensor x = random_tensor(op.x.shape, rng), residual = random_tensor(op.y.shape, rng);
    const KernelPtr plain = reference.make(op);
    const Tensor expected = run(*plain, op, params, x, residual, false);
    const Tensor actual = run(*kernel, op, params, x, residual, op.residual && round % 2 == 0);
    // A sum of 9 * channels products of normal numbers; F(4x4) loses a digit against adding them
    // up.
    const double scale = std::sqrt(9.0 * static_cast<double>(op.x.shape[3]));
    for (std::size_t i = 0; i < expected.data<float>().size(); ++i) {
      ASSERT_NEAR(actual.data<float>()[i], expected.data<float>()[i], 1.5e-5 * scale)
          << "element " << i << " of " << op.y.shape.str();
    }
  }
}

TEST(Winograd, LeavesWhatItDoesNotSuit) {
  Conv2D op;
  op.kernel = {3, 3};
  op.x.shape = op.y.shape = {1, 64, 64, 16};
  EXPECT_EQ(cpu::make_winograd(op) != nullptr, cpu::winograd::available());
  Conv2D other = op;
  other.strides = {2, 2};
  EXPECT_EQ(cpu::make_winograd(other), nullptr);
  other = op;
  other.x.shape[3] = 17;
  EXPECT_EQ(cpu::make_winograd(other), nullptr);
  other = op;
  other.activation = {Unary::kGelu};
  EXPECT_EQ(cpu::make_winograd(other), nullptr);
  other = op;
  other.dilation = {2, 2};
  EXPECT_EQ(cpu::make_winograd(other), nullptr);
  other = op;
  other.y.shape = other.x.shape = {1, 7, 7, 512};
  EXPECT_EQ(cpu::make_winograd(other), nullptr);
}
