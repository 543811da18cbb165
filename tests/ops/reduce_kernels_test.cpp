#include <gtest/gtest.h>
#include <lamina/tensor.h>

#include <cmath>
#include <utility>
#include <vector>

#include "contract.h"
#include "ops/jobs/layouts.h"
#include "ops/jobs/run_on_host.h"
#include "run_in_blocks.h"
#include "tests/fresh_seed.h"

namespace lamina::ops::contract {
namespace {

using RunJob = void (*)(const kernels::Job&);
constexpr RunJob kWays[] = {jobs::run_on_host, run_in_blocks};

/// Of nothing a sum is 0, a mean is no number, and a maximum is below all; in every layout.
TEST(ReduceKernel, ReducesGroupsOfNothing) {
  Random random(lamina::test::fresh_seed());
  using Axes = std::vector<std::size_t>;
  const std::pair<Shape, Axes> cases[] = {
      {{pick(random, 1, 40), 0}, {1}}, {{0, pick(random, 1, 40)}, {0}}, {{3, 0, 8, 2}, {1, 3}}};
  for (const auto& [shape, axes] : cases) {
    for (const auto kind :
         {kernels::ReduceKind::kSum, kernels::ReduceKind::kMean, kernels::ReduceKind::kMax}) {
      kernels::ReduceJob job{DType::kFloat32, kind, nullptr, nullptr, nullptr, {}};
      job.groups = jobs::groups(shape, axes);
      ASSERT_GT(job.groups.count, 0);
      for (const RunJob run : kWays) {
        Tensor y = Tensor::from(std::vector<float>(static_cast<std::size_t>(job.groups.count), 1),
                                {job.groups.count});
        job.y = y.raw();
        run(job);
        for (const float value : y.data<float>()) {
          const bool right = kind == kernels::ReduceKind::kSum    ? value == 0
                             : kind == kernels::ReduceKind::kMean ? std::isnan(value)
                                                                  : std::isinf(value) && value < 0;
          EXPECT_TRUE(right) << value << " in " << shape.str();
        }
      }
    }
  }
}

}  // namespace
}  // namespace lamina::ops::contract
