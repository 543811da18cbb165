// What operations make of NaN, of infinities, of 0 and of what a dtype cannot hold.
#include <algorithm>
#include <limits>

#include "tests/layers/operations/elements.h"

namespace lamina {
namespace {

using test::at;
using test::expect_elements;
using test::one_of;
using test::pick;
using test::Place;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

class SpecialNumbers : public test::OperationTest {
 protected:
  Tensor with_nan(const Shape& shape) {
    Tensor x = numbers(shape);
    for (double& value : x.data<double>()) {
      if (pick(random(), 0, 2) == 0) value = kNan;
    }
    for (double& value : x.data<double>().first(4)) value = kNan;  // a line of it
    return x;
  }
  Tensor any_of(const std::vector<double>& values, const Shape& shape) {
    Tensor x = Tensor::empty(shape, DType::kFloat64);
    for (double& value : x.data<double>()) value = one_of(random(), values);
    return x;
  }
};

TEST_F(SpecialNumbers, ReductionsPassOverWhatIsNoNumber) {
  const Shape shape{5, 3, 4};
  const auto x = input(shape);
  const Tensor a = with_nan(shape);
  const auto numbers_of = [&](const Place& place) {
    std::vector<double> out;
    for (std::int64_t i = 0; i < 4; ++i) {
      const double number = at(a, {place[0], place[1], i});
      if (!std::isnan(number)) out.push_back(number);
    }
    return out;
  };
  const auto expect = [&](const SymbolicTensor& y, const auto& wanted) {
    expect_elements(value(x, y, a), {5, 3},
                    [&](const Place& place) { return wanted(numbers_of(place)); });
  };
  using Numbers = const std::vector<double>&;
  const auto sum = [](Numbers all) {
    double out = 0;
    for (const double number : all) out += number;
    return out;
  };
  expect(ops::nansum(x, -1), sum);
  expect(ops::nanmean(x, -1), [&](Numbers all) {
    return all.empty() ? kNan : sum(all) / static_cast<double>(all.size());
  });
  expect(ops::nanprod(x, -1), [](Numbers all) {
    double out = 1;
    for (const double number : all) out *= number;
    return out;
  });
  expect(ops::nanmax(x, -1), [](Numbers all) {
    return all.empty() ? kNan : *std::max_element(all.begin(), all.end());
  });
  expect(ops::nanmin(x, -1), [](Numbers all) {
    return all.empty() ? kNan : *std::min_element(all.begin(), all.end());
  });
}

TEST_F(SpecialNumbers, ReductionsOfIntegersAreTheUsualOnes) {
  const auto x = input({4, 3}, "int8");
  const Tensor a = integers({4, 3}, -9, 9);
  for (const auto& [ours, usual] : {std::pair{ops::nansum(x, 1), ops::sum(x, 1)},
                                    {ops::nanprod(x, 1, true), ops::prod(x, 1, true)},
                                    {ops::nanmax(x, 0), ops::max(x, 0)},
                                    {ops::nanmin(x), ops::min(x)}}) {
    EXPECT_TRUE(bitwise_equal(value(x, ours, a), value(x, usual, a)));
  }
  // A quotient by the count, and a product with its inverse.
  const Tensor mean = value(x, ops::mean(x, 1), a).cast(DType::kFloat64);
  expect_elements(value(x, ops::nanmean(x, 1), a), {4},
                  [&](const Place& place) { return at(mean, place); });
}

TEST_F(SpecialNumbers, PercentilesAreQuantilesOfHundredths) {
  const auto x = input({3, 7});
  const Tensor a = numbers({3, 7});
  for (const double q : {0.0, 25.0, 50.0, 87.5, 100.0}) {
    EXPECT_TRUE(bitwise_equal(value(x, ops::percentile(x, q, 1, true), a),
                              value(x, ops::quantile(x, q / 100, 1, true), a)))
        << q;
  }
  EXPECT_THROW((void)ops::percentile(x, 101), ValueError);
}

TEST_F(SpecialNumbers, QuotientsOfZeroAreZeroWhereTheDivisorIs) {
  const Shape shape{4, 9};
  const auto x = input(shape), y = input(shape), n = input(shape, "int32");
  const std::vector<double> all{0, -0.0, 1, -2.5, kInfinity, kNan};
  const Tensor a = any_of(all, shape), b = any_of(all, shape), c = integers(shape, -2, 2);
  const auto quotient = [](double p, double q) { return q == 0 ? 0 : p / q; };
  expect_elements(value({x, y}, ops::divide_no_nan(x, y), {a, b}), shape,
                  [&](const Place& p) { return quotient(at(a, p), at(b, p)); });
  expect_elements(value(n, ops::divide_no_nan(3, n), c), shape,
                  [&](const Place& p) { return quotient(3, at(c, p)); });
  expect_elements(value(x, ops::divide_no_nan(x, 0), a), shape, [](const Place&) { return 0; });
}

TEST_F(SpecialNumbers, WhatIsCloseIsWithinToleranceOrTheSame) {
  const Shape shape{4, 30};
  const auto x = input(shape), y = input(shape), n = input(shape, "int32");
  const std::vector<double> all{0, 1, 1.00001, 1.1, -1, kInfinity, -kInfinity, kNan};
  const Tensor a = any_of(all, shape), b = any_of(all, shape), c = integers(shape, 9, 12);
  for (const auto& [relative, absolute, equal_nan] :
       {std::tuple{1e-3, 1e-8, false}, {0.0, 0.2, true}, {1e-8, 1e-8, false}}) {
    const double rtol = relative, atol = absolute;
    const bool nan = equal_nan;
    const auto close = [&](double p, double q) {
      if (std::isnan(p) && std::isnan(q)) return nan;
      return p == q || (std::isfinite(q) && std::abs(p - q) <= atol + rtol * std::abs(q));
    };
    expect_elements(value({x, y}, ops::isclose(x, y, rtol, atol, nan), {a, b}), shape,
                    [&](const Place& p) { return close(at(a, p), at(b, p)) ? 1 : 0; });
    expect_elements(value(n, ops::isclose(n, 10, rtol, atol, nan), c), shape,
                    [&](const Place& p) { return close(at(c, p), 10) ? 1 : 0; });
  }
}

TEST_F(SpecialNumbers, SaturatedCastsEndAtTheLimitsOfBothDtypes) {
  struct Case {
    std::string from;
    DType to;
    double least, most;
  };
  const double largest = std::numeric_limits<float>::max();
  for (const Case& c : {Case{"float32", DType::kUInt8, 0, 255},
                        {"float32", DType::kInt16, -32768, 32767},
                        {"float32", DType::kInt32, -0x1p31, 0x1p31 - 128},
                        {"float32", DType::kFloat16, -65504, 65504},
                        {"float32", DType::kFloat64, -largest, largest},
                        {"float16", DType::kInt16, -32768, 32752},
                        {"bfloat16", DType::kInt16, -32768, 32640},
                        {"bfloat16", DType::kFloat16, -65280, 65280},
                        {"float32", DType::kBool, 0, 1}}) {
    SCOPED_TRACE(c.from + " to " + std::string(dtype_name(c.to)));
    const auto x = input({1, 6}, c.from);
    const Tensor a = Tensor::from<double>({-kInfinity, -1e39, -3, 1, 1e39, kInfinity}, {1, 6});
    expect_elements(value(x, ops::saturate_cast(x, c.to), a), {1, 6},
                    [&](const Place& place) { return std::clamp(at(a, place), c.least, c.most); });
  }
  const auto n = input({1, 4}, "int32");
  const Tensor b = Tensor::from<double>({-0x1p31, -1, 200, 0x1p31 - 1}, {1, 4});
  for (const auto& [to, least, most] : {std::tuple{DType::kInt8, -128.0, 127.0},
                                        {DType::kUInt32, 0.0, 0x1p32 - 1},
                                        {DType::kInt64, -0x1p63, 0x1p63},
                                        {DType::kFloat16, -65504.0, 65504.0}}) {
    const double low = least, high = most;
    expect_elements(value(n, ops::saturate_cast(n, to), b), {1, 4},
                    [&](const Place& place) { return std::clamp(at(b, place), low, high); });
  }
}

}  // namespace
}  // namespace lamina
