#include <lamina/error.h>

#include <cstdlib>
#include <set>

#include "contract_rows.h"
#include "tests/fresh_seed.h"

namespace lamina::ops::contract {
namespace {

constexpr int kCases = 16;

using Param = std::tuple<Row, DType>;

class BackendContract : public testing::TestWithParam<Param> {};

TEST_P(BackendContract, ComputesTheDefinition) {
  const auto& [row, dtype] = GetParam();
  const unsigned seed = lamina::test::fresh_seed();
  Random random(seed);
  const auto backend = make_backend(Device::cpu());
  for (int i = 0; i < kCases && !HasFailure(); ++i) {
    SCOPED_TRACE("LAMINA_TEST_SEED=" + std::to_string(seed) + ", case " + std::to_string(i));
    expect_contract(*backend, with_dtype(row.make(random), dtype), random);
  }
}

INSTANTIATE_TEST_SUITE_P(Cpu, BackendContract,
                         testing::Combine(testing::ValuesIn(rows()),
                                          testing::Values(DType::kFloat32, DType::kFloat16,
                                                          DType::kBFloat16, DType::kFloat64)),
                         [](const auto& info) {
                           return std::get<0>(info.param).name + "_" +
                                  std::string(dtype_name(std::get<1>(info.param)));
                         });

TEST(BackendContract, EveryOperationHasARow) {
  std::set<std::size_t> seen;
  Random random(1);
  for (const Row& row : rows()) seen.insert(row.make(random).index());
  // Cast mixes dtypes, so it has tests of its own (movement_test.cpp).
  seen.insert(OpSpec(Cast{}).index());
  EXPECT_EQ(seen.size(), std::variant_size_v<OpSpec>);
}

TEST(BackendContract, HoldsForWidenedProductsOfHalfWidthFloats) {
  const unsigned seed = lamina::test::fresh_seed();
  SCOPED_TRACE("LAMINA_TEST_SEED=" + std::to_string(seed));
  Random random(seed);
  const auto backend = make_backend(Device::cpu());
  for (int i = 0; i < kCases && !HasFailure(); ++i) {
    const DType dtype = i % 2 == 0 ? DType::kFloat16 : DType::kBFloat16;
    expect_contract(*backend, widened_product(rows(), dtype, random), random);
  }
}

TEST(Backends, RefuseProductsOfMixedDTypes) {
  const auto backend = make_backend(Device::cpu());
  const auto accepted = [&](DType x0, DType x1, DType y) {
    const MatMul op{{{2, 3}, x0}, {{3, 4}, x1}, {{2, 4}, y}};
    try {
      return backend->make(op) != nullptr;
    } catch (const UnsupportedError&) {
      return false;
    }
  };
  constexpr DType kHalf = DType::kBFloat16, kSingle = DType::kFloat32, kDouble = DType::kFloat64;
  EXPECT_TRUE(accepted(kHalf, kHalf, kSingle));
  EXPECT_FALSE(accepted(kHalf, kSingle, kSingle));
  EXPECT_FALSE(accepted(kHalf, kHalf, DType::kFloat16));
  EXPECT_FALSE(accepted(kSingle, kSingle, kHalf));
  EXPECT_FALSE(accepted(kSingle, kSingle, kDouble));
  EXPECT_FALSE(accepted(DType::kInt32, DType::kInt32, DType::kInt32));
}

TEST(Backends, RefuseMixedDTypesAndWrongParameters) {
  const auto backend = make_backend(Device::cpu());
  Dense dense{.x = {{2, 3}}, .y = {{2, 4}, DType::kFloat16}};
  EXPECT_THROW((void)backend->make(dense), UnsupportedError);
  dense.y.dtype = DType::kFloat32;
  const KernelPtr kernel = backend->make(dense);
  EXPECT_THROW(kernel->load_parameters({}), ValueError);
  const std::vector<Tensor> transposed{Tensor::zeros({4, 3})};
  EXPECT_THROW(kernel->load_parameters(transposed), ValueError);
  dense.x.dtype = dense.y.dtype = DType::kInt32;
  EXPECT_THROW((void)backend->make(dense), UnsupportedError);
}

}  // namespace
}  // namespace lamina::ops::contract
