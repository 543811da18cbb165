// The CPU computes as if denormal numbers were zeros, and says so to nobody else's threads.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/denormals.h"
#include "graph/builder.h"
#include "graph/plan.h"
#include "ops/reference/reference_backend.h"
#include "tests/fakes/open_resources.h"
#include "tests/flushing.h"
#include "tests/graph/program_testing.h"

namespace lamina::graph {
namespace {

using ::lamina::testing::flushes;
using ::lamina::testing::kThreadsOfThePool;
using ::lamina::testing::on_a_new_thread;
using ::lamina::testing::OpenResources;
using ::lamina::testing::pool_flushes;

constexpr float kSmallest = std::numeric_limits<float>::min();
const std::vector<bool> kNone(kThreadsOfThePool, false);

Tensor filled_with(float value, Shape shape) {
  Tensor out = Tensor::empty(std::move(shape));
  for (float& x : out.data<float>()) x = value;
  return out;
}

/// Any numbers whose product may be denormal, denormal ones among them, and zeros.
Tensor small_numbers(Shape shape, std::mt19937_64& rng) {
  std::uniform_real_distribution<double> exponent(-44.8, -18);
  Tensor out = Tensor::empty(std::move(shape));
  for (float& x : out.data<float>()) {
    x = rng() % 9 == 0 ? 0.0F : static_cast<float>(std::pow(10.0, exponent(rng)));
    if (rng() % 2 == 0) x = -x;
  }
  return out;
}

float flushed(float x) {
  return std::fabs(x) < kSmallest ? std::copysign(0.0F, x) : x;
}

/// A program of the inputs, which `emit` gives the outputs.
template <class Emit>
Program program_of(const std::vector<Tensor>& inputs, const Emit& emit) {
  Program program;
  for (const Tensor& input : inputs) {
    program.inputs.push_back(program.add_value({input.shape(), input.dtype()}));
  }
  Builder builder(program);
  const std::vector<ValueId> values = program.inputs;
  program.outputs = emit(builder, values);
  return program;
}

std::vector<Tensor> run(const Program& program, const std::vector<Tensor>& inputs) {
  return Plan(program, ops::make_backend(Device::cpu())).run(inputs);
}

std::vector<ValueId> multiply(Builder& builder, const std::vector<ValueId>& in) {
  return {builder.binary(ops::Binary::kMultiply, in[0], in[1])};
}

std::vector<ValueId> matmul(Builder& builder, const std::vector<ValueId>& in) {
  return {builder.matmul(in[0], in[1], {}, DType::kFloat32)};
}

class DenormalResults : public ::testing::Test {
 protected:
  void SetUp() override {
#if !defined(__x86_64__)
    GTEST_SKIP() << "nothing is flushed here";
#endif
  }
};

TEST_F(DenormalResults, AreZerosOfProductsOnEveryThread) {
  for (const std::int64_t size : {8, 300}) {  // for one thread, and for several
    const std::vector<Tensor> inputs = {filled_with(1e-30F, {size, size}),
                                        filled_with(1e-10F, {size, size})};
    const Program program = program_of(inputs, matmul);
    ops::ReferenceBackend reference;
    ASSERT_GT(testkit::run_naively(program, reference, inputs)[0].data<float>()[0], 0);
    on_a_new_thread([&] {
      const Tensor y = run(program, inputs)[0];
      for (const float x : y.data<float>()) ASSERT_EQ(x, 0);
      EXPECT_EQ(pool_flushes(), kNone);
    });
  }
}

TEST_F(DenormalResults, AreZerosOfOurLoopsHoweverManyThreads) {
  std::mt19937_64 rng(testkit::fresh_seed());
  const std::vector<Tensor> inputs = {small_numbers({333, 301}, rng),
                                      small_numbers({333, 301}, rng)};
  Tensor expected = Tensor::empty(inputs[0].shape());
  for (std::size_t i = 0; i < expected.data<float>().size(); ++i) {
    const float a = inputs[0].data<float>()[i], b = inputs[1].data<float>()[i];
    expected.data<float>()[i] = flushed(flushed(a) * flushed(b));
  }
  const Program program = program_of(inputs, multiply);
  for (const int threads : {1, 2, 5}) {
    on_a_new_thread([&] {
      omp_set_num_threads(threads);
      EXPECT_TRUE(bitwise_equal(run(program, inputs)[0], expected)) << threads;
      EXPECT_EQ(pool_flushes(), std::vector<bool>(static_cast<std::size_t>(threads), false));
    });
  }
}

TEST_F(DenormalResults, AreZerosInDoubleAsWell) {
  const Tensor x = Tensor::from<double>({1e-200, 1e-100}, {2});
  const Tensor y = Tensor::from<double>({1e-110, 1e-100}, {2});
  const Tensor product = run(program_of({x, y}, multiply), {x, y})[0];
  EXPECT_EQ(product.data<double>()[0], 0);
  EXPECT_DOUBLE_EQ(product.data<double>()[1], 1e-200);
}

TEST_F(DenormalResults, OfHalfAreNoneOfFloat) {
  const Tensor x = Tensor::from<float>({6e-8F, 1e-5F, -3e-6F}, {3}).cast(DType::kFloat16);
  const Tensor two = filled_with(2, {3}).cast(DType::kFloat16);
  const Tensor y = run(program_of({x, two}, multiply), {x, two})[0];
  for (std::size_t i = 0; i < 3; ++i) {
    const auto value = static_cast<float>(x.data<float16>()[i]);
    ASSERT_NE(value, 0);
    EXPECT_EQ(static_cast<float>(y.data<float16>()[i]), 2 * value);
  }
}

TEST_F(DenormalResults, AreLeftToTheReferenceBackend) {
  const std::vector<Tensor> inputs = {filled_with(1e-30F, {4, 4}), filled_with(1e-10F, {4, 4})};
  Plan plan(program_of(inputs, multiply), std::make_shared<ops::ReferenceBackend>());
  EXPECT_EQ(plan.run(inputs)[0].data<float>()[0], 1e-30F * 1e-10F);
}

TEST(DenormalNumbers, KeepTheirBitsWhereTheyAreMoved) {
  std::mt19937_64 rng(testkit::fresh_seed());
  const Tensor x = small_numbers({256, 40, 6}, rng);
  const Program program = program_of({x}, [](Builder& builder, const std::vector<ValueId>& in) {
    const ValueId turned = builder.transpose(in[0], {2, 0, 1});
    const ValueId flat = builder.reshape(turned, {6, 10240});
    ops::Concat both{{builder.spec(flat), builder.spec(flat)}, {{12, 10240}}, 0};
    const ValueId twice = builder.emit(std::move(both), {flat, flat});
    ops::Pad cut{builder.spec(twice), {{6, 10240}}, {-6, 0}, {0, 0}};
    const ValueId half = builder.emit(std::move(cut), {twice});
    const ValueId back = builder.transpose(builder.reshape(half, {6, 256, 40}), {1, 2, 0});
    return std::vector<ValueId>{back, builder.cast(back, DType::kBFloat16)};
  });
  const std::vector<Tensor> out = run(program, {x});
  EXPECT_TRUE(bitwise_equal(out[0], x));
  EXPECT_TRUE(bitwise_equal(out[1], x.cast(DType::kBFloat16)));
}

/// A backend whose only kernel tells how it is run, and fails.
class FailingBackend final : public ops::Backend {
 public:
  struct Seen {
    bool flushed = false;
  };
  explicit FailingBackend(Seen& seen) : seen_(seen) {}
  [[nodiscard]] Device device() const override { return Device::cpu(); }
  [[nodiscard]] bool flushes_denormals() const override { return true; }
  [[nodiscard]] ops::KernelPtr make(const ops::OpSpec&) override {
    struct Failing final : ops::Kernel {
      explicit Failing(Seen& where) : seen(where) {}
      void run(const ops::KernelArgs&) override {
        core::FlushDenormals::in_pool(kThreadsOfThePool);
        const std::vector<bool> each = pool_flushes();
        seen.flushed = each == std::vector<bool>(each.size(), true);
        throw BackendError("a library failed");
      }
      Seen& seen;
    };
    return std::make_unique<Failing>(seen_);
  }

 private:
  Seen& seen_;
};

TEST_F(DenormalResults, AreTheUsersAgainWhenAKernelThrows) {
  on_a_new_thread([] {
    const std::vector<Tensor> inputs = {Tensor::zeros({2, 2}), Tensor::zeros({2, 2})};
    FailingBackend::Seen seen;
    Plan plan(program_of(inputs, multiply), std::make_shared<FailingBackend>(seen));
    EXPECT_THROW((void)plan.run(inputs), BackendError);
    EXPECT_TRUE(seen.flushed);
    EXPECT_FALSE(flushes());
    EXPECT_EQ(pool_flushes(), kNone);
  });
}

TEST(SmallPrograms, WakeNoOtherThread) {
  const std::vector<Tensor> inputs = {filled_with(0.5F, {32, 32}), filled_with(0.25F, {32, 32})};
  const Program program = program_of(inputs, [](Builder& b, const std::vector<ValueId>& in) {
    const ValueId product = b.matmul(in[0], in[1], {}, DType::kFloat32);
    return std::vector<ValueId>{b.activation(product, {ops::Unary::kTanh})};
  });
  const Tensor expected = filled_with(std::tanh(4.0F), {32, 32});
  on_a_new_thread([&] {
    const std::size_t before = OpenResources::now().threads;
    const Tensor y = run(program, inputs)[0];
    EXPECT_EQ(OpenResources::now().threads, before);
    EXPECT_LT(testkit::relative_difference(y, expected), 1e-6);
    EXPECT_EQ(omp_get_max_threads(), kThreadsOfThePool) << "as the user has it";
  });
}

}  // namespace
}  // namespace lamina::graph
