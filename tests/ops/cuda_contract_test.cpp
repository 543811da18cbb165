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

/// The kernels in the blocks of threads that a GPU would run, and not only their arithmetic.
class KernelsInBlocks : public ::testing::TestWithParam<std::tuple<Row, DType>> {};

TEST_P(KernelsInBlocks, ComputeTheDefinition) {
  const auto& [row, dtype] = GetParam();
  const unsigned seed = lamina::test::fresh_seed();
  Random random(seed);
  const lamina::testing::FakeGpu gpu({.seed = seed}, {2, 1 << 20});
  CudaBackend backend(runtime::devices().get(Device::cuda()), std::make_shared<BlocksEngine>());
  for (int i = 0; i < 2 && !HasFailure(); ++i) {
    SCOPED_TRACE("LAMINA_TEST_SEED=" + std::to_string(seed) + ", case " + std::to_string(i));
    OpSpec spec = with_dtype(row.make(random), dtype);
    if (dtype_size(dtype) == 2) spec = with_forgiving_activation(std::move(spec), random);
    expect_contract(backend, spec, random);
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
