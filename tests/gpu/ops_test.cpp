// The contract of every operation, on a GPU.
#include <lamina/applications.h>
#include <lamina/devices.h>

#include <cstdlib>
#include <set>

#include "contract_rows.h"
#include "device.h"
#include "ops/params.h"
#include "tests/fresh_seed.h"
#include "training/train_graph.h"

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

/// As large as they come in a model, which the contract's definition would take long for.
TEST(GpuOperations, OfTrainingAnApplicationAreThoseOfTheCpu) {
  LAMINA_NEED_GPU();
  const auto there = make_backend(Device::cuda()), here = make_backend(Device::cpu());
  for (const auto& [policy, tolerance] : {std::pair{"float32", 1e-5}, {"mixed_bfloat16", 1e-2}}) {
    set_dtype_policy(policy);
    const ModelPtr model = applications::EfficientNetV2B0(
        {.include_top = true, .input_shape = Shape{96, 96, 3}, .classes = 10});
    const training::TrainGraph graph(*model, {{4, 96, 96, 3}});
    Random random(lamina::test::fresh_seed());
    std::set<std::string> seen;
    for (const graph::Op& op : graph.plan().program().ops) {
      const std::string name = describe(op.spec);
      if (!seen.insert(name).second) continue;
      EXPECT_LT(disagreement(*there, *here, op.spec, random), tolerance)
          << policy << ", " << op.layer << ": " << name;
    }
    EXPECT_GT(seen.size(), 100U);
  }
  set_dtype_policy("float32");
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
