// The contract of every operation, on a GPU.
#include <cstdlib>

#include "contract_rows.h"
#include "device.h"
#include "tests/fresh_seed.h"

namespace lamina::ops::contract {
namespace {

constexpr int kCases = 8;
/// Sums in another order, and Winograd's algorithm, against the definition in double.
constexpr double kSlack = 10;

using Param = std::tuple<Row, DType>;

/// One backend for all: to start cuDNN takes long.
class GpuContract : public ::testing::TestWithParam<Param> {
 protected:
  static void TearDownTestSuite() { backend_.reset(); }
  static Backend& backend() {
    if (!backend_) backend_ = make_backend(Device::cuda());
    return *backend_;
  }

 private:
  static inline std::shared_ptr<Backend> backend_;
};

TEST_P(GpuContract, ComputesTheDefinition) {
  LAMINA_NEED_GPU();
  const auto& [row, dtype] = GetParam();
  const unsigned seed = lamina::test::fresh_seed();
  Random random(seed);
  for (int i = 0; i < kCases && !HasFailure(); ++i) {
    SCOPED_TRACE("LAMINA_TEST_SEED=" + std::to_string(seed) + ", case " + std::to_string(i));
    OpSpec spec = with_dtype(row.make(random), dtype);
    if (dtype_size(dtype) == 2) spec = with_forgiving_activation(std::move(spec), random);
    expect_contract(backend(), spec, random, kSlack);
  }
}

INSTANTIATE_TEST_SUITE_P(Cuda, GpuContract,
                         ::testing::Combine(::testing::ValuesIn(rows()),
                                            ::testing::Values(DType::kFloat32, DType::kFloat16,
                                                              DType::kBFloat16, DType::kFloat64)),
                         [](const auto& info) {
                           return std::get<0>(info.param).name + "_" +
                                  std::string(dtype_name(std::get<1>(info.param)));
                         });

}  // namespace
}  // namespace lamina::ops::contract
