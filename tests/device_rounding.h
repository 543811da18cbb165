#pragma once
#include <gtest/gtest.h>
#include <lamina/devices.h>
#include <lamina/tensor.h>

#include <algorithm>
#include <cmath>
#include <ostream>

namespace lamina::test {

/// What a device computes in, and how far that may take its results from those of the CPU: for one
/// operation in tolerances of its contract, for one layer and for a deep model relative to the
/// largest value.
struct Rounding {
  const char* name;
  DType dtype;
  const char* policy;
  Float32Precision float32;
  double operation, layer, model;
};
inline void PrintTo(const Rounding& rounding, std::ostream* out) {
  *out << rounding.name;
}

namespace roundings {
// Sums in another order, those of losses' long rows among them, and Winograd's algorithm. Deep
// models are not tried in float64.
inline constexpr Rounding kFloat64{"float64", DType::kFloat64, "float64", Float32Precision::kStrict,
                                   10,        1e-11,           0};
inline constexpr Rounding kFloat32{
    "float32", DType::kFloat32, "float32", Float32Precision::kStrict, 10, 1e-4, 1e-4};
// Factors with 10 bits behind the point: rounded, or the rest of them cut off.
inline constexpr Rounding kTf32{
    "tf32", DType::kFloat32, "float32", Float32Precision::kTf32, 500, 5e-3, 1e-2};
// Libraries' results are rounded before kernels of ours go on with them, as may be parts of sums.
inline constexpr Rounding kFloat16{
    "float16", DType::kFloat16, "mixed_float16", Float32Precision::kStrict, 4, 4e-3, 2e-2};
inline constexpr Rounding kBFloat16{
    "bfloat16", DType::kBFloat16, "mixed_bfloat16", Float32Precision::kStrict, 4, 3e-2, 1e-1};

inline constexpr Rounding kAll[] = {kFloat64, kFloat32, kTf32, kFloat16, kBFloat16};
}  // namespace roundings

/// Within so much of the largest value that is finite, but one beyond 16 excuses none but itself;
/// infinities are equal to themselves alone.
inline void expect_within(const Tensor& got, const Tensor& wanted, double relative) {
  ASSERT_EQ(got.shape(), wanted.shape());
  ASSERT_EQ(got.dtype(), wanted.dtype());
  const Tensor a = got.cast(DType::kFloat64), b = wanted.cast(DType::kFloat64);
  double largest = 0;
  for (const double value : b.data<double>()) {
    if (std::isfinite(value)) largest = std::max(largest, std::abs(value));
  }
  for (std::size_t i = 0; i < static_cast<std::size_t>(b.size()); ++i) {
    const double x = a.data<double>()[i], y = b.data<double>()[i];
    if (x == y) continue;
    const double scale = std::max(std::abs(y), std::min(largest, 16.0));
    ASSERT_LE(std::abs(x - y), relative * scale) << i << ": " << x << ", expected " << y;
  }
}

}  // namespace lamina::test
