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
