// The contract of every operation, on a GPU.
#include <lamina/applications.h>
#include <lamina/devices.h>

#include <map>
#include <set>

#include "contract_rows.h"
#include "device.h"
#include "ops/op_info.h"
#include "tests/device_rounding.h"
#include "tests/fresh_seed.h"
#include "training/graph/train_graph.h"

namespace lamina::ops::contract {
namespace {

using test::Rounding;

constexpr int kCases = 8;

using Param = std::tuple<Row, Rounding>;

/// Whether libraries do it, or may, by products of its inputs: what TF32 is of.
bool multiplies(const Row& row) {
  Random random(1);
  const OpSpec spec = row.make(random);
  return std::holds_alternative<Conv2D>(spec) || std::holds_alternative<Conv2DTranspose>(spec) ||
         std::holds_alternative<Dense>(spec) || std::holds_alternative<MatMul>(spec) ||
         std::holds_alternative<Conv2DKernelGradient>(spec) ||
         std::holds_alternative<DenseKernelGradient>(spec);
}

bool rounds_factors(const Rounding& rounding) {
  return rounding.float32 == Float32Precision::kTf32;
}

std::vector<Param> params() {
  std::vector<Param> out;
  for (const Row& row : rows()) {
    for (const Rounding& rounding : test::roundings::kAll) {
      if (!rounds_factors(rounding) || multiplies(row)) out.emplace_back(row, rounding);
    }
  }
  return out;
}

std::shared_ptr<Backend> backend_with(Float32Precision precision) {
  set_float32_precision(precision);
  auto made = make_backend(Device::cuda());
  set_float32_precision(Float32Precision::kStrict);
  return made;
}

/// One backend for all: to start cuDNN takes long.
class GpuContract : public ::testing::TestWithParam<Param> {
 protected:
  static void TearDownTestSuite() { backends_.clear(); }
  static Backend& backend(Float32Precision precision) {
    auto& made = backends_[precision];
    if (!made) made = backend_with(precision);
    return *made;
  }

 private:
  static inline std::map<Float32Precision, std::shared_ptr<Backend>> backends_;
};

TEST_P(GpuContract, ComputesTheDefinition) {
  LAMINA_NEED_GPU();
  const auto& [row, rounding] = GetParam();
  const bool forgiving = rounds_factors(rounding) || dtype_size(rounding.dtype) == 2;
  const unsigned seed = lamina::test::fresh_seed();
  Random random(seed);
  for (int i = 0; i < kCases && !HasFailure(); ++i) {
    SCOPED_TRACE("LAMINA_TEST_SEED=" + std::to_string(seed) + ", case " + std::to_string(i));
    OpSpec spec = with_dtype(row.make(random), rounding.dtype);
    if (forgiving) spec = with_forgiving_activation(std::move(spec), random);
    expect_contract(backend(rounding.float32), spec, random, rounding.operation);
  }
}

TEST(GpuOperations, WidenProductsOfHalfWidthFloats) {
  LAMINA_NEED_GPU();
  const auto there = backend_with(Float32Precision::kStrict);
  const unsigned seed = lamina::test::fresh_seed();
  SCOPED_TRACE("LAMINA_TEST_SEED=" + std::to_string(seed));
  Random random(seed);
  for (int i = 0; i < 2 * kCases && !HasFailure(); ++i) {
    const DType dtype = i % 2 == 0 ? DType::kFloat16 : DType::kBFloat16;
    expect_contract(*there, widened_product(rows(), dtype, random), random,
                    test::roundings::kFloat32.operation);
  }
}

/// More than cuBLASLt takes at once.
TEST(GpuOperations, MultiplyAnyNumberOfMatrices) {
  LAMINA_NEED_GPU();
  const auto there = backend_with(Float32Precision::kStrict);
  Random random(lamina::test::fresh_seed());
  for (const std::int64_t count : {65'535, 65'536, 200'000}) {
    for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
      MatMul op{{{count, 4, 3}, dtype}, {{count, 3, 5}, dtype}, {{count, 4, 5}, dtype}};
      expect_contract(*there, op, random, test::roundings::kFloat32.operation);
    }
  }
}

/// Large enough that tensor cores are the fastest. Without it TF32's rows could be strict's.
TEST(GpuOperations, RoundFactorsToTf32WhereThatIsAskedForAndNowhereElse) {
  LAMINA_NEED_GPU();
  const auto strict = backend_with(Float32Precision::kStrict),
             rounding = backend_with(Float32Precision::kTf32), here = make_backend(Device::cpu());
  Dense product;
  product.x.shape = product.y.shape = {512, 512};
  Conv2D convolution;
  convolution.x.shape = convolution.y.shape = {8, 32, 32, 64};
  convolution.kernel = {3, 3};
  convolution.pad_before = convolution.pad_after = {1, 1};
  MatMul products;
  products.x0.shape = products.x1.shape = products.y.shape = {3, 256, 256};
  products.transpose_x1 = true;
  Random random(lamina::test::fresh_seed());
  for (const OpSpec& op : {OpSpec(product), OpSpec(products), OpSpec(convolution)}) {
    SCOPED_TRACE(describe(op));
    EXPECT_LT(disagreement(*strict, *here, op, random), 2e-5);
    const double apart = disagreement(*rounding, *here, op, random);
    EXPECT_GT(apart, 5e-5);
    EXPECT_LT(apart, 5e-3);
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

INSTANTIATE_TEST_SUITE_P(Cuda, GpuContract, ::testing::ValuesIn(params()), [](const auto& info) {
  return std::get<0>(info.param).name + "_" + std::get<1>(info.param).name;
});

}  // namespace
}  // namespace lamina::ops::contract
