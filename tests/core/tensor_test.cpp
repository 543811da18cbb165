#include <gtest/gtest.h>
#include <lamina/tensor.h>
#include <lamina/variable.h>

#include <limits>

#include "core/variable_access.h"

using namespace lamina;

TEST(Tensor, CopiesShareAndClonesDoNot) {
  Tensor a = Tensor::from<float>({1, 2, 3, 4}, {2, 2});
  Tensor shared = a;
  Tensor copy = a.clone();
  a.data<float>()[0] = 9;
  EXPECT_EQ(shared.data<float>()[0], 9);
  EXPECT_EQ(copy.data<float>()[0], 1);
}

TEST(Tensor, CastConvertsAndSaturates) {
  const Tensor a = Tensor::from<float>({1.5f, -3e9f, std::numeric_limits<float>::quiet_NaN()}, {3});
  const Tensor b = a.cast(DType::kInt32);
  EXPECT_EQ(b.data<std::int32_t>()[0], 1);
  EXPECT_EQ(b.data<std::int32_t>()[1], std::numeric_limits<std::int32_t>::min());
  EXPECT_EQ(b.data<std::int32_t>()[2], 0);
  EXPECT_EQ(a.cast(DType::kBFloat16).cast(DType::kFloat32).data<float>()[0], 1.5f);
}

TEST(Tensor, RefusesOtherTypesAndSizes) {
  const Tensor a = Tensor::zeros({2, 3});
  EXPECT_THROW((void)a.data<double>(), ValueError);
  EXPECT_THROW((void)a.reshape({7}), ValueError);
  EXPECT_THROW((void)Tensor::empty({kNone, 2}), ValueError);
  EXPECT_THROW((void)Tensor::empty({INT64_MAX, INT64_MAX}), ValueError);
}

TEST(Variable, RunsItsInitialiserAtFirstUseOnly) {
  int calls = 0;
  Variable v("kernel", {2}, DType::kFloat32, [&](const Shape& shape, DType dtype) {
    ++calls;
    return Tensor::zeros(shape, dtype);
  });
  EXPECT_FALSE(v.materialized());
  (void)v.value();
  (void)v.value();
  EXPECT_EQ(calls, 1);
}

TEST(Variable, KeepsItsValueWhenAShapeDoesNotFit) {
  Variable v("kernel", Tensor::from<float>({1, 2}, {2}));
  const auto version = core::VariableAccess::version(v);
  EXPECT_THROW(v.assign(Tensor::zeros({3})), ValueError);
  EXPECT_EQ(v.value().data<float>()[1], 2);
  EXPECT_EQ(core::VariableAccess::version(v), version);
  core::VariableAccess::release(v);
  EXPECT_THROW((void)v.value(), ValueError);
  v.assign(Tensor::zeros({2}));
  EXPECT_EQ(v.value().data<float>()[1], 0);
}
