// The kernels of optimizers and of casts in the blocks of threads that a GPU would run, against
// one element after another; their formulas: tests/training, definitions_test.cpp.
#include <gtest/gtest.h>
#include <lamina/tensor.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "contract.h"
#include "kernels/jobs.h"
#include "ops/jobs/run_on_host.h"
#include "run_in_blocks.h"
#include "tests/fresh_seed.h"

namespace lamina::ops::contract {
namespace {

constexpr DType kFloats[] = {DType::kFloat32, DType::kFloat64, DType::kFloat16, DType::kBFloat16};
constexpr DType kEach[] = {
#define LAMINA_DTYPE(enumerator, name, type, bits, floating) DType::enumerator,
#include <lamina/dtype.def>
#undef LAMINA_DTYPE
};

/// The rule of this index, with numbers between 0 and 1.
template <class T, std::size_t i = 0>
kernels::RuleOf<T> random_rule(std::size_t index, Random& random) {
  if constexpr (i < std::variant_size_v<kernels::RuleOf<T>>) {
    if (index != i) return random_rule<T, i + 1>(index, random);
    using Rule = std::variant_alternative_t<i, kernels::RuleOf<T>>;
    std::vector<T> numbers(sizeof(Rule) / sizeof(T));
    for (T& number : numbers) number = T(pick(random, 1, 99)) / T(100);
    Rule rule{};
    std::memcpy(static_cast<void*>(&rule), numbers.data(), sizeof(Rule));
    if constexpr (requires { rule.nesterov; }) rule.nesterov = pick(random, 0, 1) == 1;
    return rule;
  }
  return {};
}
constexpr std::size_t kRules = std::variant_size_v<kernels::RuleOf<float>>;

/// Arrays of a step, the same ones for the same random numbers.
struct Scene {
  Scene(DType dtype_, bool accumulates, Random& random) : dtype(dtype_) {
    const std::int64_t count = pick(random, 1, 5);
    for (std::int64_t k = 0; k < count; ++k) add(random, accumulates);
    numbers.loss_scale = one_of<double>(random, {1, 8});
    numbers.accumulation_steps = one_of<double>(random, {1, 3});
    numbers.weight_decay = one_of<double>(random, {0, 0.1});
    if (pick(random, 0, 1) == 1) numbers.limit = 0.5;
    numbers.average_momentum = 0.9;
    numbers.learning_rate = 0.1F;
    numbers.overwrite_with_average = pick(random, 0, 1) == 1;
  }

  [[nodiscard]] kernels::Arrays all() const {
    return {arrays.data(), pieces.data(), static_cast<std::int64_t>(pieces.size())};
  }

  DType dtype;
  kernels::UpdateNumbers numbers;
  std::vector<kernels::UpdateArray> arrays;
  std::vector<kernels::Piece> pieces;
  std::vector<Tensor> held;
  std::int32_t lost = 0;

 private:
  /// Not negative, as means of squares are.
  void* values(std::int64_t size, Random& random) {
    Tensor x = random_tensor({size}, DType::kFloat64, random);
    for (double& value : x.data<double>()) value = std::abs(value);
    held.push_back(x.cast(dtype).clone());
    return held.back().raw();
  }
  kernels::InOut in_out(std::int64_t size, Random& random) {
    void* const in = values(size, random);
    return {in, pick(random, 0, 1) == 0 ? in : values(size, random)};
  }
  void add(Random& random, bool accumulates) {
    const std::int64_t size = one_of<std::int64_t>(
        random, {1, 7, kernels::kPieceSize, kernels::kPieceSize + 1, pick(random, 1, 9000)});
    kernels::UpdateArray array;
    if (pick(random, 0, 4) != 0) array.gradient = values(size, random);
    array.value = in_out(size, random);
    if (accumulates || pick(random, 0, 1) == 1) array.accumulated = in_out(size, random);
    if (pick(random, 0, 1) == 1) array.average = in_out(size, random);
    for (kernels::InOut& slot : array.slots) slot = in_out(size, random);
    array.multiplier = 0.5;
    array.divisor = 2;
    array.ratio = one_of<double>(random, {0.5, 3});
    array.decays = pick(random, 0, 1);
    for (std::int64_t begin = 0; begin < size; begin += kernels::kPieceSize) {
      pieces.push_back({static_cast<std::int64_t>(arrays.size()), begin,
                        std::min(begin + kernels::kPieceSize, size)});
    }
    arrays.push_back(array);
  }
};

/// `job_on` of the same arrays in both ways gives the same bits in all of them.
template <class JobOn>
void expect_same_bits(DType dtype, bool accumulates, unsigned seed, const JobOn& job_on) {
  Random one(seed), other(seed), unused(seed);
  Scene here(dtype, accumulates, one), there(dtype, accumulates, other);
  const Scene before(dtype, accumulates, unused);
  jobs::run_on_host(job_on(here));
  run_in_blocks(job_on(there));
  bool changed = false;
  for (std::size_t k = 0; k < here.held.size(); ++k) {
    ASSERT_TRUE(bitwise_equal(there.held[k], here.held[k])) << dtype_name(dtype) << ", array " << k;
    changed = changed || !bitwise_equal(here.held[k], before.held[k]);
  }
  EXPECT_EQ(there.lost, here.lost);
  const bool moves = std::any_of(here.arrays.begin(), here.arrays.end(), [](const auto& each) {
    return each.gradient != nullptr || each.average.in != nullptr;
  });
  EXPECT_TRUE(changed || !moves);
}

TEST(UpdateKernels, StepByEachRule) {
  const unsigned seed = lamina::test::fresh_seed();
  SCOPED_TRACE("LAMINA_TEST_SEED=" + std::to_string(seed));
  for (const DType dtype : kFloats) {
    for (std::size_t rule = 0; rule < kRules; ++rule) {
      SCOPED_TRACE(rule);
      Random random(seed);
      const auto narrow = random_rule<float>(rule, random);
      const auto wide = random_rule<double>(rule, random);
      expect_same_bits(dtype, false, static_cast<unsigned>(random()), [&](Scene& scene) {
        return kernels::UpdateJob{dtype, narrow, wide, scene.numbers, scene.all(), &scene.lost};
      });
    }
  }
}

TEST(UpdateKernels, AccumulateGradientsOverSteps) {
  const unsigned seed = lamina::test::fresh_seed();
  SCOPED_TRACE("LAMINA_TEST_SEED=" + std::to_string(seed));
  for (const DType dtype : kFloats) {
    expect_same_bits(dtype, true, seed, [&](Scene& scene) {
      return kernels::AccumulateJob{dtype, scene.numbers, scene.all(), &scene.lost};
    });
  }
}

TEST(UpdateKernels, AddUpSquaresOfGradients) {
  const unsigned seed = lamina::test::fresh_seed();
  SCOPED_TRACE("LAMINA_TEST_SEED=" + std::to_string(seed));
  Random random(seed);
  for (const DType dtype : kFloats) {
    const Scene scene(dtype, false, random);
    std::vector<double> here(scene.pieces.size(), -1), there = here;
    jobs::run_on_host(kernels::SquaresJob{dtype, scene.numbers, scene.all(), here.data()});
    run_in_blocks(kernels::SquaresJob{dtype, scene.numbers, scene.all(), there.data()});
    for (std::size_t k = 0; k < here.size(); ++k) {
      ASSERT_GE(here[k], 0);
      ASSERT_NEAR(there[k], here[k], 1e-12 * here[k]) << dtype_name(dtype) << ", piece " << k;
    }
  }
}

TEST(UpdateKernels, AddUpSquaresOfWeightsAndDirections) {
  const unsigned seed = lamina::test::fresh_seed();
  SCOPED_TRACE("LAMINA_TEST_SEED=" + std::to_string(seed));
  Random random(seed);
  const kernels::LambStep<float> narrow = {0.1F, 0.1F, 0.01F, 0.2F, 0.02F, 1e-3F, 1};
  const kernels::LambStep<double> wide = {0.1, 0.1, 0.01, 0.2, 0.02, 1e-3, 1};
  for (const DType dtype : kFloats) {
    const Scene scene(dtype, false, random);
    std::vector<kernels::NormSquares> here(scene.pieces.size(), {-1, -1}), there = here;
    const auto job = [&](std::vector<kernels::NormSquares>& sums) {
      return kernels::NormsJob{dtype, narrow, wide, scene.numbers, scene.all(), sums.data()};
    };
    jobs::run_on_host(job(here));
    run_in_blocks(job(there));
    for (std::size_t k = 0; k < here.size(); ++k) {
      const bool moves =
          scene.arrays[static_cast<std::size_t>(scene.pieces[k].array)].gradient != nullptr;
      ASSERT_EQ(here[k].weights > 0, moves) << dtype_name(dtype) << ", piece " << k;
      ASSERT_EQ(here[k].directions > 0, moves) << dtype_name(dtype) << ", piece " << k;
      ASSERT_NEAR(there[k].weights, here[k].weights, 1e-12 * here[k].weights);
      ASSERT_NEAR(there[k].directions, here[k].directions, 1e-12 * here[k].directions);
    }
  }
}

/// `job_on(y)` writes the same to y in both ways.
template <class JobOn>
void expect_same_result(const Tensor& before, const JobOn& job_on) {
  Tensor here = before.clone(), there = before.clone();
  jobs::run_on_host(job_on(here.raw()));
  run_in_blocks(job_on(there.raw()));
  EXPECT_TRUE(bitwise_equal(there, here));
}

TEST(UpdateKernels, FollowBatchesWithAverages) {
  const unsigned seed = lamina::test::fresh_seed();
  SCOPED_TRACE("LAMINA_TEST_SEED=" + std::to_string(seed));
  Random random(seed);
  for (const DType dtype : kFloats) {
    for (const DType batch_dtype : {DType::kFloat32, DType::kFloat64}) {
      const Shape shape{pick(random, 1, 3000)};
      const Tensor batch = random_tensor(shape, batch_dtype, random);
      expect_same_result(random_tensor(shape, dtype, random), [&](void* average) {
        return kernels::FollowJob{dtype,       batch_dtype, {average, average},
                                  batch.raw(), 0.9,         shape.size()};
      });
    }
  }
}

TEST(CastKernel, CastsEachDTypeToEach) {
  const unsigned seed = lamina::test::fresh_seed();
  SCOPED_TRACE("LAMINA_TEST_SEED=" + std::to_string(seed));
  Random random(seed);
  for (const DType from : kEach) {
    for (const DType to : kEach) {
      SCOPED_TRACE(std::string(dtype_name(from)) + " to " + std::string(dtype_name(to)));
      const std::int64_t size = pick(random, 1, 600), skipped = pick(random, 0, 2);
      const Tensor x = random_tensor({size + skipped}, from, random);
      const auto offset = [&](DType dtype) {
        return static_cast<std::size_t>(skipped) * dtype_size(dtype);
      };
      expect_same_result(random_tensor({size + skipped + 1}, to, random), [&](void* y) {
        return kernels::CastJob{from, to, static_cast<const std::byte*>(x.raw()) + offset(from),
                                static_cast<std::byte*>(y) + offset(to), size};
      });
    }
  }
}

}  // namespace
}  // namespace lamina::ops::contract
