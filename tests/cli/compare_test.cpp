#include "cli/compare.h"

#include <gtest/gtest.h>

#include <limits>

using lamina::Tensor;
using lamina::cli::describe_difference;

TEST(Compare, EqualBytesDoNotDiffer) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const Tensor a = Tensor::from(std::vector<float>{1, nan, -0.0f}, {3});
  EXPECT_EQ(describe_difference(a, a.clone()), std::nullopt);
}

TEST(Compare, FirstDifferenceIsFoundAndTheLargestMeasured) {
  const Tensor a = Tensor::from(std::vector<float>{0, 1, 2, 3, 4, 5}, {2, 3});
  const Tensor b = Tensor::from(std::vector<float>{0, 1, 2, 3.5, 4, 3}, {2, 3});
  EXPECT_EQ(describe_difference(a, b),
            "2 of 6 elements differ, first at (1, 0): 3 and 3.5; the largest difference is 2");
}

TEST(Compare, SignOfZeroIsADifferenceOfZero) {
  const Tensor a = Tensor::from(std::vector<double>{0.0}, {});
  const Tensor b = Tensor::from(std::vector<double>{-0.0}, {});
  EXPECT_EQ(describe_difference(a, b),
            "1 of 1 elements differ, first at (): 0 and -0; the largest difference is 0");
}

TEST(Compare, EveryDTypeIsPrinted) {
  for (int i = 0; i <= static_cast<int>(lamina::DType::kBool); ++i) {
    const Tensor a =
        Tensor::from(std::vector<float>{1, 0}, {2}).cast(static_cast<lamina::DType>(i));
    const Tensor b =
        Tensor::from(std::vector<float>{0, 0}, {2}).cast(static_cast<lamina::DType>(i));
    const bool boolean = a.dtype() == lamina::DType::kBool;
    EXPECT_EQ(describe_difference(a, b), std::string("1 of 2 elements differ, first at (0,): ") +
                                             (boolean ? "true and false" : "1 and 0") +
                                             "; the largest difference is 1");
  }
}
