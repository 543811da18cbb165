#include <gtest/gtest.h>
#include <lamina/tensor.h>
#include <lamina/variable.h>

#include <cmath>
#include <limits>
#include <random>

#include "core/variable_access.h"
#include "tests/fresh_seed.h"

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

// As numpy does, by whose conversions Keras loads. By way of float the first would be a tie.
TEST(Tensor, CastRoundsDoublesToFloat16Once) {
  const Tensor few = Tensor::from<double>(
      {1 + 0x1p-11 + 0x1p-40, 1 + 0x1p-11, 65520 - 0x1p-30, -0x1p-25 - 0x1p-60, 1e300, -1e-300},
      {6});
  const Tensor narrow = few.cast(DType::kFloat16).cast(DType::kFloat64);
  const auto found = narrow.data<double>();
  EXPECT_EQ((std::vector<double>(found.begin(), found.end())),
            (std::vector<double>{1 + 0x1p-10, 1, 65504, -0x1p-24,
                                 std::numeric_limits<double>::infinity(), -0.0}));

  std::mt19937_64 random(lamina::test::fresh_seed());
  std::vector<double> values;
  std::vector<std::uint16_t> nearest;
  while (values.size() < 10000) {  // near the middle of two neighbours, where it matters
    const auto bits = static_cast<std::uint16_t>(random() % 0x7bff);
    const double low = float16::to_float(bits), high = float16::to_float(bits + 1);
    const double middle = (low + high) / 2;
    const double off = std::ldexp(middle, -52 + static_cast<int>(random() % 40));
    const bool above = random() % 2 == 0;
    values.push_back(above ? middle + off : middle - off);
    nearest.push_back(above ? bits + 1 : bits);
  }
  const Tensor rounded = Tensor::from(values, {10000}).cast(DType::kFloat16);
  for (std::size_t i = 0; i < values.size(); ++i) {
    ASSERT_EQ(rounded.data<float16>()[i].bits, nearest[i]) << values[i];
  }
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
