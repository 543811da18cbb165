// The kernels of regularizers and constraints in the blocks of threads that a GPU would run,
// against one element after another; their formulas: tests/training.
#include <gtest/gtest.h>
#include <lamina/tensor.h>

#include <cmath>
#include <random>

#include "kernels/jobs.h"
#include "ops/jobs/layouts.h"
#include "ops/jobs/run_on_host.h"
#include "run_in_blocks.h"
#include "tests/fakes/fake_gpu.h"
#include "tests/fresh_seed.h"
#include "tests/random_choice.h"

namespace lamina::ops::contract {
namespace {

using Random = std::mt19937;
using kernels::ConstraintKind;
using lamina::test::pick;

void run_in_blocks(const kernels::Job& job) {
  const lamina::testing::FakeGpu gpu;
  BlocksEngine engine;
  runtime::devices().get(Device::cuda())->with_stream([&](runtime::Stream& stream) {
    engine.launch(stream, job);
    stream.synchronize();
  });
}

Tensor random_tensor(const Shape& shape, DType dtype, Random& random) {
  Tensor out = Tensor::empty(shape);
  std::normal_distribution<float> normal;
  for (float& x : out.data<float>()) x = normal(random);
  return out.cast(dtype);
}

/// The same but for the order of sums.
void expect_near(const Tensor& got, const Tensor& wanted, const std::string& what) {
  const double tolerance = wanted.dtype() == DType::kBFloat16  ? 1e-2
                           : wanted.dtype() == DType::kFloat16 ? 2e-3
                           : wanted.dtype() == DType::kFloat32 ? 1e-5
                                                               : 1e-12;
  const Tensor a = got.cast(DType::kFloat64), b = wanted.cast(DType::kFloat64);
  for (std::size_t i = 0; i < static_cast<std::size_t>(b.size()); ++i) {
    const double x = a.data<double>()[i], y = b.data<double>()[i];
    ASSERT_LE(std::abs(x - y), tolerance * (1 + std::abs(y))) << what << " [" << i << "]";
  }
}

class RegularizerKernels : public ::testing::TestWithParam<DType> {
 protected:
  RegularizerKernels() : seed_(lamina::test::fresh_seed()), random_(seed_) {}
  [[nodiscard]] std::string note() const { return "LAMINA_TEST_SEED=" + std::to_string(seed_); }

  unsigned seed_;
  Random random_;
};

double sum_of_squares(const Tensor& tensor) {
  double sum = 0;
  const Tensor wide = tensor.cast(DType::kFloat64);
  for (const double value : wide.data<double>()) sum += value * value;
  return sum;
}

INSTANTIATE_TEST_SUITE_P(Of, RegularizerKernels,
                         ::testing::Values(DType::kFloat32, DType::kFloat64, DType::kFloat16,
                                           DType::kBFloat16),
                         [](const auto& info) { return std::string(dtype_name(info.param)); });

TEST_P(RegularizerKernels, AddUpPenalties) {
  SCOPED_TRACE(note());
  const Tensor w = random_tensor({pick(random_, 5000, 9000)}, GetParam(), random_);
  const std::int64_t pieces = (w.size() + kernels::kPieceSize - 1) / kernels::kPieceSize;
  Tensor here = Tensor::zeros({pieces}, DType::kFloat64), there = here.clone();
  kernels::PenaltyJob job{w.dtype(), {0.3, 0.2}, w.raw(), w.size(), nullptr};
  job.sums = static_cast<double*>(here.raw());
  jobs::run_on_host(job);
  job.sums = static_cast<double*>(there.raw());
  run_in_blocks(job);
  expect_near(there, here, "sums");
  EXPECT_GT(here.data<double>()[1], 1);
}

TEST_P(RegularizerKernels, AddTheirGradients) {
  SCOPED_TRACE(note());
  const Shape shape{pick(random_, 1000, 3000)};
  const Tensor w = random_tensor(shape, GetParam(), random_);
  for (const bool zero : {false, true}) {
    Tensor here = random_tensor(shape, GetParam(), random_), there = here.clone();
    const auto job_on = [&](Tensor& gradient) {
      return kernels::PenaltyGradientJob{
          w.dtype(), {0.3, 0.2}, 4, w.raw(), {zero ? nullptr : gradient.raw(), gradient.raw()},
          w.size()};
    };
    jobs::run_on_host(job_on(here));
    run_in_blocks(job_on(there));
    EXPECT_TRUE(bitwise_equal(there, here));
  }
}

TEST_P(RegularizerKernels, OfVectorsThatShallBeOrthogonal) {
  SCOPED_TRACE(note());
  const std::int64_t rows = pick(random_, 20, 90), columns = pick(random_, 20, 300);
  const Tensor w = random_tensor({rows, columns}, GetParam(), random_);
  const kernels::Vectors cases[] = {{w.raw(), rows, columns, columns, 1},
                                    {w.raw(), columns, rows, 1, columns}};
  for (const kernels::Vectors& vectors : cases) {
    struct Results {
      Tensor inverse, cosines, sums, gradient;
    };
    const Tensor before = random_tensor({rows, columns}, GetParam(), random_);
    const auto results = [&](const auto& run) {
      Results out{Tensor::empty({vectors.count}, DType::kFloat64),
                  Tensor::empty({vectors.count, vectors.count}, DType::kFloat64),
                  Tensor::empty({vectors.count}, DType::kFloat64), before.clone()};
      auto* const inverse = static_cast<double*>(out.inverse.raw());
      auto* const cosines = static_cast<double*>(out.cosines.raw());
      auto* const sums = static_cast<double*>(out.sums.raw());
      run(kernels::InverseNormsJob{w.dtype(), vectors, inverse});
      const std::int64_t middle = vectors.count / 3;
      for (const auto& [first, count] :
           {std::pair<std::int64_t, std::int64_t>{0, middle}, {middle, vectors.count - middle}}) {
        run(kernels::CosinesJob{w.dtype(), vectors, first, count, inverse, cosines, sums});
        run(kernels::OrthogonalGradientJob{w.dtype(),
                                           vectors,
                                           first,
                                           count,
                                           inverse,
                                           cosines,
                                           sums,
                                           4,
                                           {out.gradient.raw(), out.gradient.raw()}});
      }
      return out;
    };
    const Results here = results([](const kernels::Job& job) { jobs::run_on_host(job); });
    const Results there = results([](const kernels::Job& job) { run_in_blocks(job); });
    expect_near(there.inverse, here.inverse, "inverse norms");
    expect_near(there.cosines, here.cosines, "cosines");
    expect_near(there.sums, here.sums, "sums");
    expect_near(there.gradient, here.gradient, "gradient");
    EXPECT_FALSE(bitwise_equal(here.gradient, before));
    EXPECT_GT(here.sums.data<double>()[0], 0);
  }
}

TEST_P(RegularizerKernels, ConstrainGroupsAlongAnyAxes) {
  SCOPED_TRACE(note());
  const std::pair<Shape, std::vector<std::size_t>> cases[] = {
      {{pick(random_, 300, 700), 16}, {0}},                         // columns, in packs and slices
      {{pick(random_, 20, 90), 2 * pick(random_, 2, 9) + 1}, {0}},  // columns, one by one
      {{3, pick(random_, 20, 70), 8}, {1}},                         // columns of several matrices
      {{pick(random_, 3, 9), pick(random_, 300, 700)}, {1}},        // rows, in slices
      {{4, 5, 6, 3}, {0, 2}},
      {{pick(random_, 500, 900)}, {0}},
  };
  for (const auto& [shape, axes] : cases) {
    const Tensor w = random_tensor(shape, GetParam(), random_);
    const kernels::Groups groups = jobs::groups(shape, axes);
    // Of the norms one is at least as large as this, and one at most.
    const double norm = std::sqrt(sum_of_squares(w) / static_cast<double>(groups.count));
    for (const kernels::ConstraintRule& rule : {
             kernels::ConstraintRule{ConstraintKind::kNonNeg},
             {ConstraintKind::kMaxNorm, 0, 0.9 * norm},
             {ConstraintKind::kUnitNorm},
             {ConstraintKind::kMinMaxNorm, 0.5 * norm, 0.9 * norm, 0.7},
             {ConstraintKind::kMinMaxNorm, 1.2 * norm, 1.5 * norm, 0.7},
         }) {
      Tensor norms = Tensor::empty({groups.count}, DType::kFloat64);
      Tensor parts = Tensor::empty(
          {static_cast<std::int64_t>(jobs::parts_bytes(groups.slices, groups.count)) + 1},
          DType::kUInt8);
      Tensor here = w.clone(), there = w.clone();
      const auto job_on = [&](Tensor& value) {
        return kernels::ConstrainJob{w.dtype(),  rule,   {value.raw(), value.raw()},
                                     w.size(),   groups, norms.raw(),
                                     parts.raw()};
      };
      jobs::run_on_host(job_on(here));
      run_in_blocks(job_on(there));
      expect_near(there, here, shape.str() + " " + std::to_string(static_cast<int>(rule.kind)));
      EXPECT_FALSE(bitwise_equal(here, w)) << shape.str() << " nothing was constrained";
    }
  }
}

}  // namespace
}  // namespace lamina::ops::contract
