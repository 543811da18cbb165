// The contract of contract_test.cpp on the CUDA backend: its kernels' arithmetic, and all that the
// host does around it, over a device that works late, in any order, and in poisoned memory.
#include <lamina/error.h>

#include <cstdlib>

#include "contract_rows.h"
#include "ops/cuda/cuda_backend.h"
#include "ops/cuda/host_engine.h"
#include "run_in_blocks.h"
#include "tests/fakes/fake_gpu.h"
#include "tests/fresh_seed.h"

namespace lamina::ops::contract {
namespace {

constexpr int kCases = 6;

enum class Libraries { kSome, kNone };

using Param = std::tuple<Row, DType, Libraries>;

class CudaBackendContract : public ::testing::TestWithParam<Param> {};

TEST_P(CudaBackendContract, ComputesTheDefinition) {
  const auto& [row, dtype, libraries] = GetParam();
  const unsigned seed = lamina::test::fresh_seed();
  Random random(seed);
  const lamina::testing::FakeGpu gpu({.seed = seed}, {2, 1 << 20});
  {
    CudaBackend backend(runtime::devices().get(Device::cuda()),
                        std::make_shared<cuda::HostEngine>(libraries == Libraries::kSome));
    for (int i = 0; i < kCases && !HasFailure(); ++i) {
      SCOPED_TRACE("LAMINA_TEST_SEED=" + std::to_string(seed) + ", case " + std::to_string(i));
      OpSpec spec = with_dtype(row.make(random), dtype);
      if (dtype_size(dtype) == 2) spec = with_forgiving_activation(std::move(spec), random);
      expect_contract(backend, spec, random);
    }
  }
  EXPECT_EQ(gpu->used(), 0U);
  EXPECT_EQ(gpu->disorders(), std::vector<std::string>{});
}

TEST(CudaBackendContract, HoldsForWidenedProductsOfHalfWidthFloats) {
  const unsigned seed = lamina::test::fresh_seed();
  SCOPED_TRACE("LAMINA_TEST_SEED=" + std::to_string(seed));
  Random random(seed);
  const lamina::testing::FakeGpu gpu({.seed = seed}, {2, 1 << 20});
  for (int i = 0; i < 4 * kCases && !HasFailure(); ++i) {
    CudaBackend backend(runtime::devices().get(Device::cuda()),
                        std::make_shared<cuda::HostEngine>(i % 4 < 2));
    const DType dtype = i % 2 == 0 ? DType::kFloat16 : DType::kBFloat16;
    expect_contract(backend, widened_product(rows(), dtype, random), random);
  }
}

/// Counts the jobs of kernels of ours.
class CountedJobs final : public cuda::Engine {
 public:
  void launch(runtime::Stream& stream, const kernels::Job& job) override {
    ++launched;
    inner_.launch(stream, job);
  }
  [[nodiscard]] std::shared_ptr<cuda::LibraryPlan> plan(const cuda::LibraryOp& op) override {
    return inner_.plan(op);
  }
  int launched = 0;

 private:
  cuda::HostEngine inner_;
};

TEST(CudaBackendContract, HoldsForProductsOfMoreMatricesThanLibrariesTakeAtOnce) {
  const unsigned seed = lamina::test::fresh_seed();
  SCOPED_TRACE("LAMINA_TEST_SEED=" + std::to_string(seed));
  Random random(seed);
  const lamina::testing::FakeGpu gpu({.seed = seed}, {2, 1 << 20});
  const auto engine = std::make_shared<CountedJobs>();
  CudaBackend backend(runtime::devices().get(Device::cuda()), engine);
  const std::int64_t count = pick(random, 1 << 16, 150'000);
  const DType dtype = one_of<DType>(random, {DType::kFloat32, DType::kBFloat16});
  MatMul op{{{count, 1, 3}, dtype}, {{count, 2, 3}, dtype}, {{count, 1, 2}, DType::kFloat32}};
  op.transpose_x1 = true;
  expect_contract(backend, op, random);
  EXPECT_EQ(engine->launched, 0) << "libraries are much faster";
}

TEST(HostEngine, RefusesOperandsThatAreNotAlignedAsLibrariesAreToldTheyAre) {
  const lamina::testing::FakeGpu gpu;
  cuda::HostEngine engine;
  const auto plan = engine.plan(cuda::LibraryProduct{.rows = 1, .columns = 1, .depth = 1});
  const auto memory = gpu->allocate(4096), workspace = gpu->allocate(plan->workspace_bytes());
  const auto stream = gpu->make_stream();
  const auto at = [&](std::size_t offset) { return memory->address() + offset; };
  const auto run = [&](std::size_t a, std::size_t b, std::size_t c) {
    plan->run(*stream, {at(a), at(b), nullptr, at(c), workspace->address()});
  };
  EXPECT_NO_THROW(run(0, 64, 128));
  EXPECT_THROW(run(32, 64, 128), DeviceError);
  EXPECT_THROW(run(0, 68, 128), DeviceError);
  EXPECT_THROW(run(0, 64, 144), DeviceError);
  stream->synchronize();
}

/// The kernels in the blocks of threads that a GPU would run, and not only their arithmetic.
class KernelsInBlocks : public ::testing::TestWithParam<std::tuple<Row, DType>> {};

TEST_P(KernelsInBlocks, ComputeTheDefinition) {
  const auto& [row, dtype] = GetParam();
  const unsigned seed = lamina::test::fresh_seed();
  Random random(seed);
  const lamina::testing::FakeGpu gpu({.seed = seed}, {2, 1 << 20});
  const auto context = runtime::devices().get(Device::cuda());
  CudaBackend alone(context, std::make_shared<BlocksEngine>());
  CudaBackend beside_libraries(context, std::make_shared<BlocksEngine>(true));
  for (int i = 0; i < 4 && !HasFailure(); ++i) {
    SCOPED_TRACE("LAMINA_TEST_SEED=" + std::to_string(seed) + ", case " + std::to_string(i));
    OpSpec spec = with_dtype(row.make(random), dtype);
    if (dtype_size(dtype) == 2) spec = with_forgiving_activation(std::move(spec), random);
    if (i % 2 == 0) {
      expect_contract(i == 0 ? alone : beside_libraries, spec, random);
    } else {  // libraries refuse such operands
      expect_contract(alone, spec, random, 1, Operands::kShifted);
    }
  }
}
INSTANTIATE_TEST_SUITE_P(Fake, KernelsInBlocks,
                         ::testing::Combine(::testing::ValuesIn(rows()),
                                            ::testing::Values(DType::kFloat32, DType::kBFloat16,
                                                              DType::kFloat64)),
                         [](const auto& info) {
                           return std::get<0>(info.param).name + "_" +
                                  std::string(dtype_name(std::get<1>(info.param)));
                         });

INSTANTIATE_TEST_SUITE_P(Fake, CudaBackendContract,
                         ::testing::Combine(::testing::ValuesIn(rows()),
                                            ::testing::Values(DType::kFloat32, DType::kFloat16,
                                                              DType::kBFloat16, DType::kFloat64),
                                            ::testing::Values(Libraries::kSome, Libraries::kNone)),
                         [](const auto& info) {
                           return std::get<0>(info.param).name + "_" +
                                  std::string(dtype_name(std::get<1>(info.param))) +
                                  (std::get<2>(info.param) == Libraries::kSome
                                       ? ""
                                       : "_WithoutLibraries");
                         });

}  // namespace
}  // namespace lamina::ops::contract
