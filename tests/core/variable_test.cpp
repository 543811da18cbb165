#include "core/variable_snapshot.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

#include "core/first_value.h"
#include "core/variable_access.h"

namespace lamina::core {
namespace {

Tensor numbers(float first) {
  return Tensor::from<float>({first, first + 1, first + 2}, Shape{3});
}

TEST(VariableSnapshot, KeepsTheValueWhenAnotherIsAssigned) {
  Variable variable("v", numbers(1));
  const VariableSnapshot before(variable);
  variable.assign(numbers(5));
  EXPECT_TRUE(bitwise_equal(before.value(), numbers(1)));
  EXPECT_TRUE(bitwise_equal(VariableSnapshot(variable).value(), numbers(5)));
  VariableAccess::release(variable);
  EXPECT_TRUE(bitwise_equal(before.value(), numbers(1)));
  EXPECT_THROW((void)VariableSnapshot(variable), ValueError);
}

TEST(VariableSnapshot, SharesTheMemory) {
  Variable variable("v", numbers(1));
  VariableSnapshot snapshot(variable);
  Tensor(variable.value()).data<float>()[0] = 9;
  EXPECT_EQ(snapshot.value().data<float>()[0], 9);
  snapshot.replace(snapshot.value().clone());
  Tensor(variable.value()).data<float>()[0] = 10;
  EXPECT_EQ(snapshot.value().data<float>()[0], 9);
}

TEST(VariableSnapshot, OfACopyThatIsYetToBeMadeIsOneOfItsSource) {
  int made = 0;
  const auto source =
      std::make_shared<Variable>("v", Shape{3}, DType::kFloat32, [&](const Shape&, DType) {
        ++made;
        return numbers(1);
      });
  Variable copy("w", Shape{3}, DType::kFloat32, CopyOf{source});
  const VariableSnapshot first(copy);
  EXPECT_EQ(made, 0);
  source->assign(numbers(5));
  const VariableSnapshot second(copy);
  EXPECT_FALSE(copy.materialized());
  source->assign(numbers(7));
  EXPECT_TRUE(bitwise_equal(first.value(), numbers(1)));
  EXPECT_TRUE(bitwise_equal(second.value(), numbers(5)));
  EXPECT_TRUE(bitwise_equal(copy.value(), numbers(7)));
  source->assign(numbers(9));
  EXPECT_TRUE(bitwise_equal(VariableSnapshot(copy).value(), numbers(7)));
  EXPECT_EQ(made, 1);
}

TEST(VariableSnapshot, GivesItsBytesAndWhereTheyAre) {
  Variable variable("v", numbers(1));
  const VariableSnapshot before(variable);
  variable.assign(numbers(4));
  const std::vector<float> expected{1, 2, 3};
  ASSERT_EQ(before.bytes().size(), sizeof(float) * 3);
  EXPECT_EQ(std::memcmp(before.bytes().data(), expected.data(), before.bytes().size()), 0);
  EXPECT_EQ(before.bytes().data(), before.value().raw());
  EXPECT_EQ(before.device(), Device::cpu());

  int made = 0;
  Variable later("w", Shape{2}, DType::kInt16, [&](const Shape& shape, DType dtype) {
    ++made;
    return Tensor::zeros(shape, dtype);
  });
  const VariableSnapshot first(later);
  ASSERT_EQ(first.bytes().size(), 4U);
  EXPECT_EQ(first.bytes().data(), later.value().raw());
  EXPECT_EQ(made, 1);
  EXPECT_TRUE(VariableSnapshot().bytes().empty());
}

TEST(VariableSnapshot, OfAFirstValueRunsTheInitialiserOnceForAll) {
  std::atomic<int> runs = 0;
  Variable variable("v", Shape{3}, DType::kFloat32,
                    [&](const Shape&, DType) { return numbers(static_cast<float>(++runs)); });
  const VariableSnapshot snapshot(variable);
  EXPECT_FALSE(variable.materialized());
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] { EXPECT_TRUE(bitwise_equal(snapshot.value(), numbers(1))); });
  }
  EXPECT_TRUE(bitwise_equal(variable.value(), numbers(1)));
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(runs, 1);
}

TEST(VariableSnapshot, OfAFirstValueSurvivesAnAssignThatComesBeforeIt) {
  Variable variable("v", Shape{3}, DType::kFloat32, [](const Shape&, DType) { return numbers(1); });
  const VariableSnapshot snapshot(variable);
  variable.assign(numbers(5));
  EXPECT_TRUE(bitwise_equal(snapshot.value(), numbers(1)));
  EXPECT_TRUE(bitwise_equal(variable.value(), numbers(5)));
}

TEST(VariableSnapshot, AnInitialiserThatThrowsIsTriedAgain) {
  int runs = 0;
  Variable variable("v", Shape{3}, DType::kFloat32, [&](const Shape&, DType) {
    if (++runs == 1) throw ValueError("not yet");
    return numbers(2);
  });
  const VariableSnapshot snapshot(variable);
  EXPECT_THROW((void)snapshot.value(), ValueError);
  EXPECT_TRUE(bitwise_equal(variable.value(), numbers(2)));
  EXPECT_TRUE(bitwise_equal(snapshot.value(), numbers(2)));
}

TEST(VariableSnapshot, AnEmptyOneIsUndefined) {
  EXPECT_FALSE(VariableSnapshot().value().defined());
}

}  // namespace
}  // namespace lamina::core
