// The kernels of losses in the blocks of threads that a GPU would run, against one element or row
// after another; their formulas: tests/training.
#include <gtest/gtest.h>
#include <lamina/tensor.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "kernels/jobs.h"
#include "ops/jobs/run_on_host.h"
#include "run_in_blocks.h"
#include "tests/fresh_seed.h"
#include "tests/random_choice.h"

namespace lamina::ops::contract {
namespace {

using Random = std::mt19937;
using lamina::test::pick;

template <class... Losses>
std::vector<kernels::RowLoss> each_of(const std::variant<Losses...>*) {
  return {Losses{}...};
}

Tensor random_tensor(const Shape& shape, float low, float high, Random& random) {
  Tensor out = Tensor::empty(shape);
  std::uniform_real_distribution<float> numbers(low, high);
  for (float& x : out.data<float>()) x = numbers(random);
  return out;
}

constexpr float kUntouched = -77;

Tensor untouched(const Shape& shape) {
  Tensor out = Tensor::empty(shape);
  for (float& x : out.data<float>()) x = kUntouched;
  return out;
}

/// A batch of losses, of which some rows take no part.
struct Scene {
  Scene(Random& random, std::int64_t rows, std::int64_t classes)
      : y_true(random_tensor({rows, classes}, 0, 1, random)),
        y_pred(random_tensor({rows, classes}, 0.1F, 0.9F, random)),
        weights(random_tensor({rows}, 0, 2, random)),
        counts(Tensor::empty({rows}, DType::kUInt8)) {
    for (std::uint8_t& each : counts.data<std::uint8_t>()) each = pick(random, 0, 3) == 0 ? 0 : 1;
  }

  [[nodiscard]] kernels::LossGradientJob job(const kernels::RowLoss& loss, Tensor& gradient) const {
    kernels::LossGradientJob out{loss, {}};
    out.batch.rows = y_pred.shape()[0];
    out.batch.classes = out.batch.labels = y_pred.shape()[1];
    out.batch.y_true = y_true.data<float>().data();
    out.batch.y_pred = y_pred.data<float>().data();
    out.batch.weights = weights.data<float>().data();
    out.batch.counts = counts.data<std::uint8_t>().data();
    out.batch.weighting = {3, 2};
    out.batch.gradient = gradient.data<float>().data();
    return out;
  }

  const Tensor y_true, y_pred, weights;
  Tensor counts;
};

TEST(LossKernels, GiveTheSameBitsInBlocksOfThreads) {
  const unsigned seed = lamina::test::fresh_seed();
  SCOPED_TRACE("LAMINA_TEST_SEED=" + std::to_string(seed));
  Random random(seed);
  const std::vector<kernels::RowLoss> all = each_of(static_cast<const kernels::RowLoss*>(nullptr));
  for (const kernels::RowLoss& loss : all) {
    SCOPED_TRACE(loss.index());
    const Scene scene(random, pick(random, 1, 700), pick(random, 1, 9));
    Tensor here = untouched(scene.y_pred.shape()), there = here.clone();
    jobs::run_on_host(scene.job(loss, here));
    run_in_blocks(scene.job(loss, there));
    EXPECT_TRUE(bitwise_equal(there, here));
    EXPECT_EQ(launches_of(scene.job(loss, there)), 1);
    const std::int64_t classes = scene.y_pred.shape()[1];
    for (std::size_t i = 0; i < static_cast<std::size_t>(here.size()); ++i) {
      const float slope = here.data<float>()[i];
      EXPECT_NE(slope, kUntouched) << i;
      const auto row = i / static_cast<std::size_t>(classes);
      if (scene.counts.data<std::uint8_t>()[row] == 0) {
        EXPECT_EQ(slope, 0.0F) << i;
      }
    }
  }
}

/// Within what another order of sums changes.
void expect_near(const Tensor& got, const Tensor& wanted) {
  float largest = 0;
  for (const float x : wanted.data<float>()) largest = std::max(largest, std::abs(x));
  for (std::size_t i = 0; i < static_cast<std::size_t>(wanted.size()); ++i) {
    const float x = got.data<float>()[i], y = wanted.data<float>()[i];
    ASSERT_LE(std::abs(x - y), 1e-5F * (std::abs(y) + largest)) << i << ": " << x << ", " << y;
  }
}

TEST(LossKernels, GiveLongRowsABlockOfThreadsEach) {
  const unsigned seed = lamina::test::fresh_seed();
  SCOPED_TRACE("LAMINA_TEST_SEED=" + std::to_string(seed));
  Random random(seed);
  for (kernels::RowLoss loss : each_of(static_cast<const kernels::RowLoss*>(nullptr))) {
    SCOPED_TRACE(loss.index());
    if (auto* focal = std::get_if<kernels::CategoricalFocalEntropy>(&loss)) {
      *focal = {pick(random, 0, 1) == 1, 0.25F, 2, 0.1F};
    }
    if (auto* entropy = std::get_if<kernels::CategoricalEntropy>(&loss)) {
      *entropy = {pick(random, 0, 1) == 1, 0.1F};
    }
    const Scene scene(random, pick(random, 1, 9), kernels::kLongLossRow + pick(random, 0, 900));
    Tensor here = untouched(scene.y_pred.shape()), there = here.clone(), again = here.clone();
    jobs::run_on_host(scene.job(loss, here));
    run_in_blocks(scene.job(loss, there));
    run_in_blocks(scene.job(loss, again));
    EXPECT_TRUE(bitwise_equal(there, again)) << "whichever thread comes first";
    expect_near(there, here);
    EXPECT_EQ(launches_of(scene.job(loss, there)), 1);
    for (std::size_t i = 0; i < static_cast<std::size_t>(here.size()); ++i) {
      const auto row = i / static_cast<std::size_t>(scene.y_pred.shape()[1]);
      if (scene.counts.data<std::uint8_t>()[row] == 0) {
        ASSERT_EQ(there.data<float>()[i], 0.0F) << i;
      }
    }
  }
}

// What no number is stays none in all of its row, and the largest ones are no more than others.
TEST(LossKernels, TakeExtremesInLongRowsAsInShortOnes) {
  Random random(lamina::test::fresh_seed());
  const kernels::RowLoss loss = kernels::CategoricalEntropy{true, 0};
  Scene scene(random, 3, kernels::kLongLossRow + pick(random, 0, 900));
  const auto classes = static_cast<std::size_t>(scene.y_pred.shape()[1]);
  Tensor pred = scene.y_pred;  // the same memory
  pred.data<float>()[pick(random, 0, static_cast<int>(classes) - 1)] = std::nanf("");
  pred.data<float>()[classes + 5] = 3e38F;
  pred.data<float>()[classes + 6] = -std::numeric_limits<float>::infinity();
  Tensor here = untouched(scene.y_pred.shape()), there = here.clone();
  std::fill_n(scene.counts.data<std::uint8_t>().begin(), 3, std::uint8_t{1});
  jobs::run_on_host(scene.job(loss, here));
  run_in_blocks(scene.job(loss, there));
  for (std::size_t i = 0; i < 3 * classes; ++i) {
    const float x = there.data<float>()[i], y = here.data<float>()[i];
    if (std::isnan(y)) {
      ASSERT_TRUE(std::isnan(x)) << i;
    } else {
      ASSERT_NEAR(x, y, 1e-4F * (1 + std::abs(y))) << i;
    }
    ASSERT_EQ(std::isnan(y), i < classes) << i;
  }
}

TEST(LossKernels, CountWhatMasksLeave) {
  Random random(lamina::test::fresh_seed());
  using Kind = kernels::LossDivisorJob::Kind;
  for (const Kind kind : {Kind::kRows, Kind::kWeights, Kind::kOne}) {
    const std::int64_t rows = pick(random, 1, 2000);
    const Scene scene(random, rows, 3);
    Tensor mask = Tensor::empty({rows}, DType::kBool), unused = untouched({rows, 3});
    for (bool& each : mask.data<bool>()) each = pick(random, 0, 2) != 0;
    kernels::LossGradientJob job = scene.job(kernels::MeanOfRow<kernels::SquaredError>{}, unused);
    job.batch.mask = mask.data<bool>().data();
    float divisor = kUntouched;
    run_in_blocks(kernels::LossDivisorJob{job.batch, kind, &divisor});
    double wanted = 0;
    for (std::size_t i = 0; i < static_cast<std::size_t>(rows); ++i) {
      if (!mask.data<bool>()[i] || scene.counts.data<std::uint8_t>()[i] == 0) continue;
      wanted += kind == Kind::kWeights ? scene.weights.data<float>()[i] : 1.0F;
    }
    if (kind == Kind::kOne) wanted = std::min(wanted, 1.0);
    EXPECT_NEAR(divisor, wanted, 1e-6 * wanted);
    job.batch.divisor = &divisor;
    run_in_blocks(job);
    for (std::size_t i = 0; i < static_cast<std::size_t>(rows); ++i) {
      const bool counts = mask.data<bool>()[i] && scene.counts.data<std::uint8_t>()[i] != 0;
      const float p = scene.y_pred.data<float>()[3 * i], y = scene.y_true.data<float>()[3 * i];
      const float slope = 2.0F * (p - y) / 3.0F;
      EXPECT_NEAR(unused.data<float>()[3 * i],
                  counts ? slope * (scene.weights.data<float>()[i] / divisor) * 2.0F : 0.0F, 1e-6)
          << i;
    }
  }
}

TEST(LossKernels, GiveZerosWhereNoRowCounts) {
  Random random(lamina::test::fresh_seed());
  const Scene scene(random, 5, 4);
  for (const kernels::RowLoss& loss :
       {kernels::RowLoss(kernels::MeanOfRow<kernels::SquaredError>{}),
        kernels::RowLoss(kernels::CategoricalEntropy{true, 0})}) {
    Tensor gradient = untouched(scene.y_pred.shape());
    kernels::LossGradientJob job = scene.job(loss, gradient);
    job.batch.weighting.divisor = 0;
    run_in_blocks(job);
    EXPECT_TRUE(bitwise_equal(gradient, Tensor::zeros(gradient.shape())));
  }
}

TEST(LossKernels, AreWeightedAndScaled) {
  const float y[] = {1, 0}, p[] = {0.5F, 3}, weights[] = {4};
  float gradient[2];
  kernels::LossGradientJob job{kernels::MeanOfRow<kernels::SquaredError>{}, {}};
  job.batch.rows = 1;
  job.batch.classes = job.batch.labels = 2;
  job.batch.y_true = y;
  job.batch.y_pred = p;
  job.batch.weights = weights;
  job.batch.weighting = {8, 10};
  job.batch.gradient = gradient;
  jobs::run_on_host(job);
  EXPECT_FLOAT_EQ(gradient[0], -0.5F * (4.0F / 8) * 10);
  EXPECT_FLOAT_EQ(gradient[1], 3.0F * (4.0F / 8) * 10);
}

}  // namespace
}  // namespace lamina::ops::contract
