// Operations element by element: values, dtypes, broadcasting.
#include <functional>
#include <limits>

#include "tests/layers/operations/elements.h"

namespace lamina {
namespace {

using test::at;
using test::expect_elements;
using test::Place;

class Arithmetic : public test::OperationTest {};

struct OfTwo {
  const char* name;
  std::function<SymbolicTensor(const ops::Operand&, const ops::Operand&)> make;
  std::function<double(double, double)> wanted;
};

const std::vector<OfTwo> kOfTwo{
    {"add", ops::add, [](double a, double b) { return a + b; }},
    {"subtract", ops::subtract, [](double a, double b) { return a - b; }},
    {"multiply", ops::multiply, [](double a, double b) { return a * b; }},
    {"divide", ops::divide, [](double a, double b) { return a / b; }},
    {"true_divide", ops::true_divide, [](double a, double b) { return a / b; }},
    {"maximum", ops::maximum, [](double a, double b) { return std::max(a, b); }},
    {"minimum", ops::minimum, [](double a, double b) { return std::min(a, b); }},
    {"power", ops::power, [](double a, double b) { return std::pow(a, b); }},
    {"floor_divide", ops::floor_divide, [](double a, double b) { return std::floor(a / b); }},
    {"mod", ops::mod, [](double a, double b) { return a - b * std::floor(a / b); }},
    {"fmod", ops::fmod, [](double a, double b) { return std::fmod(a, b); }},
    {"fmax", ops::fmax, [](double a, double b) { return std::fmax(a, b); }},
    {"fmin", ops::fmin, [](double a, double b) { return std::fmin(a, b); }},
    {"arctan2", ops::arctan2, [](double a, double b) { return std::atan2(a, b); }},
    {"logaddexp", ops::logaddexp,
     [](double a, double b) { return std::log(std::exp(a) + std::exp(b)); }},
    {"logaddexp2", ops::logaddexp2,
     [](double a, double b) { return std::log2(std::exp2(a) + std::exp2(b)); }},
    {"equal", ops::equal, [](double a, double b) { return a == b ? 1.0 : 0.0; }},
    {"not_equal", ops::not_equal, [](double a, double b) { return a != b ? 1.0 : 0.0; }},
    {"greater", ops::greater, [](double a, double b) { return a > b ? 1.0 : 0.0; }},
    {"greater_equal", ops::greater_equal, [](double a, double b) { return a >= b ? 1.0 : 0.0; }},
    {"less", ops::less, [](double a, double b) { return a < b ? 1.0 : 0.0; }},
    {"less_equal", ops::less_equal, [](double a, double b) { return a <= b ? 1.0 : 0.0; }}};

TEST_F(Arithmetic, TakesTensorsThatBroadcastAndNumbersOnEitherSide) {
  const Shape shape{3, 2, 4};
  for (const OfTwo& each : kOfTwo) {
    SCOPED_TRACE(each.name);
    for (const Shape& other : {Shape{3, 2, 4}, Shape{3, 1, 4}, Shape{3, 2, 1}}) {
      const auto x = input(shape), y = input(other);
      // Few values, of which some are equal; none is 0.
      const Tensor a = integers(shape, 1, 5), b = integers(other, 1, 5);
      expect_elements(value({x, y}, each.make(x, y), {a, b}), shape,
                      [&](const Place& place) { return each.wanted(at(a, place), at(b, place)); });
    }
    const auto x = input(shape);
    const Tensor a = integers(shape, 1, 5);
    const double number = static_cast<double>(test::pick(random(), 1, 5)) + 0.5;
    expect_elements(value(x, each.make(x, number), a), shape,
                    [&](const Place& place) { return each.wanted(at(a, place), number); });
    expect_elements(value(x, each.make(3, x), a), shape,
                    [&](const Place& place) { return each.wanted(3, at(a, place)); });
  }
}

TEST_F(Arithmetic, OperatorsAreTheOperations) {
  const auto x = input({2, 3}), y = input({2, 3});
  const Tensor a = numbers({2, 3}, 0.5, 2), b = numbers({2, 3}, 0.5, 2);
  const SymbolicTensor z = (2.0 * x + y / 4 - 1) / (3 - x * y) * -x + 1 / y;
  expect_elements(
      value({x, y}, z, {a, b}), {2, 3},
      [&](const Place& place) {
        const double p = at(a, place), q = at(b, place);
        return (2 * p + q / 4 - 1) / (3 - p * q) * -p + 1 / q;
      },
      1e-4);
  expect_elements(value({x, y}, ops::where(x > y, x >= 1.0, 1 < y), {a, b}), {2, 3},
                  [&](const Place& place) {
                    const double p = at(a, place), q = at(b, place);
                    return (p > q ? p >= 1 : 1 < q) ? 1.0 : 0.0;
                  });
}

TEST_F(Arithmetic, ChoosesByAConditionWhateverLiesWhereItDoesNotLook) {
  const auto x = input({4, 3}), y = input({4, 1});
  const Tensor a = numbers({4, 3}, -1, 1), b = numbers({4, 1});
  // Of negative numbers the root is none.
  const SymbolicTensor chosen = ops::where(x > 0, ops::sqrt(x), y);
  expect_elements(value({x, y}, chosen, {a, b}), {4, 3}, [&](const Place& place) {
    return at(a, place) > 0 ? std::sqrt(at(a, place)) : at(b, place);
  });
  const SymbolicTensor numbered = ops::where(ops::logical_not(x > 0), 2, 0.5);
  EXPECT_EQ(numbered.dtype(), DType::kFloat32);
  expect_elements(value(x, numbered, a), {4, 3},
                  [&](const Place& place) { return at(a, place) > 0 ? 0.5 : 2; });
  EXPECT_EQ(ops::where(x > 0, 1, 2).dtype(), DType::kInt32);
}

TEST_F(Arithmetic, LogicIsThatOfWhatIsNotZero) {
  const auto x = input({4, 3}), y = input({4, 3}, "int32");
  const Tensor a = integers({4, 3}, -1, 1), b = integers({4, 3}, 0, 1);
  const auto expect = [&](const SymbolicTensor& z, const std::function<bool(bool, bool)>& wanted) {
    ASSERT_EQ(z.dtype(), DType::kBool);
    expect_elements(value({x, y}, z, {a, b}), {4, 3}, [&](const Place& place) {
      return wanted(at(a, place) != 0, at(b, place) != 0) ? 1.0 : 0.0;
    });
  };
  expect(ops::logical_and(x, y), [](bool p, bool q) { return p && q; });
  expect(ops::logical_or(x, y), [](bool p, bool q) { return p || q; });
  expect(ops::logical_xor(x, y), [](bool p, bool q) { return p != q; });
  expect(ops::logical_and(ops::logical_not(x), y), [](bool p, bool q) { return !p && q; });
}

TEST_F(Arithmetic, OfIntegersIsExact) {
  for (const char* dtype : {"int8", "uint8", "int32", "int64"}) {
    SCOPED_TRACE(dtype);
    const bool is_signed = dtype[0] == 'i';
    const auto x = input({5, 3}, dtype), y = input({5, 3}, dtype);
    const Tensor a = integers({5, 3}, is_signed ? -9 : 0, 9), b = integers({5, 3}, 1, 5);
    const auto expect = [&](const SymbolicTensor& z, const std::function<double(double, double)>& f,
                            const std::string& of = {}) {
      EXPECT_EQ(dtype_name(z.dtype()), of.empty() ? dtype : of);
      expect_elements(
          value({x, y}, z, {a, b}), {5, 3},
          [&](const Place& place) { return f(at(a, place), at(b, place)); }, 1e-6);
    };
    expect(x * y + 2, [](double p, double q) { return p * q + 2; });
    expect(ops::maximum(x, 3) + ops::minimum(y, 3),
           [](double p, double q) { return std::max(p, 3.0) + std::min(q, 3.0); });
    expect(ops::fmax(x, 3) + ops::fmin(y, 3),
           [](double p, double q) { return std::max(p, 3.0) + std::min(q, 3.0); });
    expect(ops::abs(x) + ops::square(y), [](double p, double q) { return std::fabs(p) + q * q; });
    expect(ops::sign(x) + ops::round(y),
           [](double p, double q) { return (p > 0 ? 1 : (p < 0 ? -1 : 0)) + q; });
    if (std::string(dtype) != "int64") {
      expect(ops::floor_divide(x, y), [](double p, double q) { return std::floor(p / q); });
      expect(ops::mod(x, y), [](double p, double q) { return p - q * std::floor(p / q); });
      expect(ops::fmod(x, y), [](double p, double q) { return std::fmod(p, q); });
    }
    expect(ops::clip(x, 1, 4) * y,
           [](double p, double q) { return std::min(4.0, std::max(1.0, p)) * q; });
    expect(
        x > y, [](double p, double q) { return p > q ? 1.0 : 0.0; }, "bool");
    expect(
        x < 0.5, [](double p, double) { return p < 0.5 ? 1.0 : 0.0; }, "bool");
    expect(
        x + 0.5, [](double p, double) { return p + 0.5; }, "float32");
    expect(
        x / y, [](double p, double q) { return p / q; }, "float32");
    expect(
        ops::exp(x), [](double p, double) { return std::exp(p); }, "float32");
    expect(
        ops::cbrt(x), [](double p, double) { return std::cbrt(p); },
        std::string(dtype) == "int64" ? "float64" : "float32");
    expect(
        ops::hypot(x, y), [](double p, double q) { return std::hypot(p, q); },
        std::string(dtype) == "int64" ? "float64" : "float32");
    expect(
        ops::arctan2(x, y), [](double p, double q) { return std::atan2(p, q); }, "float32");
    expect(
        ops::signbit(x), [](double p, double) { return p < 0 ? 1.0 : 0.0; }, "bool");
    expect(ops::nan_to_num(x, 5), [](double p, double) { return p; });
    if (is_signed) expect(-x, [](double p, double) { return -p; });
  }
}

TEST_F(Arithmetic, NumbersThatIntegersDoNotHoldWrapAsKeras) {
  const auto x = input({1, 3}, "uint8");
  const Tensor a = Tensor::from<double>({0, 255, 7}, {1, 3});
  const auto expect = [&](const SymbolicTensor& y, const std::vector<double>& wanted) {
    expect_elements(value(x, y, a), {1, 3},
                    [&](const Place& place) { return wanted[static_cast<std::size_t>(place[1])]; });
  };
  expect(x + -1, {255, 254, 6});
  expect(x * 300, {0, 212, 52});
  expect(ops::maximum(x, -1), {255, 255, 255});
  expect(ops::equal(x, -1), {0, 1, 0});
  expect(ops::where(x > 6, x, -2), {254, 255, 7});
  EXPECT_EQ(ops::where(x > 6, x, -2).dtype(), DType::kUInt8);
}

// Python's True is a bool to Keras, and no number.
static_assert(!std::is_constructible_v<ops::Operand, bool>);
static_assert(std::is_constructible_v<ops::Operand, int>);

// Of keras.backend.result_type.
TEST_F(Arithmetic, PromotesDTypesAsKeras) {
  const std::vector<std::array<const char*, 3>> cases{
      {"float16", "bfloat16", "float32"}, {"float16", "float32", "float32"},
      {"bfloat16", "int32", "bfloat16"},  {"int8", "uint8", "int16"},
      {"int8", "uint16", "int32"},        {"uint16", "int32", "int32"},
      {"uint8", "uint16", "uint16"},      {"int16", "int32", "int32"},
      {"bool", "uint8", "uint8"},         {"bool", "float16", "float16"},
      {"bool", "bool", "bool"},           {"float32", "float32", "float32"}};
  for (const auto& [a, b, wanted] : cases) {
    EXPECT_EQ(dtype_name((input({1, 2}, a) + input({1, 2}, b)).dtype()), wanted) << a << " " << b;
    EXPECT_EQ(dtype_name((input({1, 2}, b) * input({1, 2}, a)).dtype()), wanted) << a << " " << b;
  }
  EXPECT_EQ((input({1, 2}, "bool") + 1).dtype(), DType::kInt32);
  EXPECT_EQ((input({1, 2}, "uint8") + 1).dtype(), DType::kUInt8);
  EXPECT_EQ((input({1, 2}, "uint8") * 1.0).dtype(), DType::kFloat32);
  EXPECT_EQ((input({1, 2}, "bfloat16") * 1.0).dtype(), DType::kBFloat16);
}

TEST_F(Arithmetic, RoundsToDecimalsAndHalvesToEven) {
  const auto x = input({4, 5});
  const Tensor a = integers({4, 5}, -40, 40);  // eighths of these times 100 are exact
  expect_elements(value(x, ops::round(x / 8, 2), a), {4, 5},
                  [&](const Place& place) { return std::nearbyint(at(a, place) * 12.5) / 100; });
}

TEST_F(Arithmetic, KeepsTheSignOfZero) {
  const auto x = input({1, 4});
  const Tensor a = Tensor::from<double>({0.0, -0.0, 1, -1}, {1, 4});
  const auto expect = [&](const SymbolicTensor& y, const std::vector<float>& wanted) {
    const Tensor found = value(x, y, a);
    EXPECT_TRUE(bitwise_equal(found, Tensor::from<float>(wanted, {1, 4})))
        << ::testing::PrintToString(found.data<float>()) << " instead of "
        << ::testing::PrintToString(wanted);
  };
  expect(-x, {-0.0F, 0.0F, -1, 1});
  expect(x * -1, {-0.0F, 0.0F, -1, 1});
  expect(x * 2.0, {0.0F, -0.0F, 2, -2});
  expect(0 - x, {0.0F, 0.0F, -1, 1});
  expect(x - 0.0, {0.0F, -0.0F, 1, -1});
  expect(x + 0, {0.0F, 0.0F, 1, -1});
  expect(ops::tile(x, 1), {0.0F, -0.0F, 1, -1});
  expect(ops::hard_tanh(x * 2), {0.0F, -0.0F, 1, -1});
  expect(ops::threshold(x, -0.5, 7), {0.0F, -0.0F, 1, 7});
}

TEST_F(Arithmetic, DividesByZeroDownwardsToInfinity) {
  const auto x = input({1, 3});
  const Tensor a = Tensor::from<double>({2, -3, 0}, {1, 3});
  const Tensor y = value(x, ops::floor_divide(x, 0.0), a);
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(y.data<float>()[0], infinity);
  EXPECT_EQ(y.data<float>()[1], -infinity);
  EXPECT_TRUE(std::isnan(y.data<float>()[2]));
}

TEST_F(Arithmetic, KnowsWhatIsNoNumber) {
  const double infinity = std::numeric_limits<double>::infinity();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Tensor a = Tensor::from<double>({0, infinity, -infinity, nan, -3}, {1, 5});
  for (const char* dtype : {"float32", "float64", "bfloat16"}) {
    const auto x = input({1, 5}, dtype);
    const auto expect = [&](const SymbolicTensor& y, const std::vector<double>& wanted) {
      ASSERT_EQ(y.dtype(), DType::kBool);
      expect_elements(value(x, y, a), {1, 5}, [&](const Place& place) {
        return wanted[static_cast<std::size_t>(place[1])];
      });
    };
    expect(ops::isnan(x), {0, 0, 0, 1, 0});
    expect(ops::isinf(x), {0, 1, 1, 0, 0});
    expect(ops::isposinf(x), {0, 1, 0, 0, 0});
    expect(ops::isneginf(x), {0, 0, 1, 0, 0});
    expect(ops::signbit(x), {0, 0, 1, 0, 1});
    expect(ops::isfinite(x), {1, 0, 0, 0, 1});
  }
  const auto n = input({2, 3}, "int32");
  expect_elements(value(n, ops::isfinite(n), integers({2, 3}, -9, 9)), {2, 3},
                  [](const Place&) { return 1; });
}

TEST_F(Arithmetic, PutsNumbersInThePlaceOfThoseThatAreNone) {
  const double infinity = std::numeric_limits<double>::infinity();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Tensor a = Tensor::from<double>({0.5, infinity, -infinity, nan, -3}, {1, 5});
  const std::vector<std::pair<const char*, double>> largest{
      {"float32", std::numeric_limits<float>::max()},
      {"float64", std::numeric_limits<double>::max()},
      {"float16", 65504},
      {"bfloat16", 0x1.FEp127}};
  for (const auto& each : largest) {
    const auto x = input({1, 5}, each.first);
    const auto expect = [&](const SymbolicTensor& y, const std::vector<double>& wanted) {
      EXPECT_EQ(y.dtype(), x.dtype());
      expect_elements(
          value(x, y, a), {1, 5},
          [&](const Place& place) { return wanted[static_cast<std::size_t>(place[1])]; }, 0);
    };
    expect(ops::nan_to_num(x), {0.5, each.second, -each.second, 0, -3});
    expect(ops::nan_to_num(x, 2, 7, -8), {0.5, 7, -8, 2, -3});
    expect(ops::nan_to_num(x, 2, infinity), {0.5, infinity, -each.second, 2, -3});
  }
  const auto x = input({1, 2});
  expect_elements(
      value(x, ops::signbit(ops::nan_to_num(x)), Tensor::from<double>({-0.0, 0}, {1, 2})), {1, 2},
      [](const Place& place) { return place[1] == 0 ? 1 : 0; });
}

TEST_F(Arithmetic, OfNanAndANumberGivesTheNumberWhereAskedTo) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto x = input({1, 4}), y = input({1, 4});
  const Tensor a = Tensor::from<double>({nan, 2, nan, 4}, {1, 4});
  const Tensor b = Tensor::from<double>({1, nan, nan, 3}, {1, 4});
  const auto expect = [&](const SymbolicTensor& z, const std::vector<double>& wanted) {
    expect_elements(value({x, y}, z, {a, b}), {1, 4},
                    [&](const Place& place) { return wanted[static_cast<std::size_t>(place[1])]; });
  };
  expect(ops::fmax(x, y), {1, 2, nan, 4});
  expect(ops::fmin(x, y), {1, 2, nan, 3});
  expect(ops::maximum(x, y), {nan, nan, nan, 4});
  expect(ops::heaviside(x, y), {nan, 1, nan, 1});
}

TEST_F(Arithmetic, OfTwoTensorsGivesLengthsAndSteps) {
  for (const Shape& other : {Shape{3, 2, 4}, Shape{3, 1, 4}}) {
    const auto x = input({3, 2, 4}), y = input(other);
    const Tensor a = integers({3, 2, 4}, -2, 2), b = integers(other, -5, 5);
    expect_elements(value({x, y}, ops::hypot(x, y), {a, b}), {3, 2, 4},
                    [&](const Place& place) { return std::hypot(at(a, place), at(b, place)); });
    expect_elements(value({x, y}, ops::heaviside(x, y), {a, b}), {3, 2, 4},
                    [&](const Place& place) {
                      const double p = at(a, place);
                      return p == 0 ? at(b, place) : (p > 0 ? 1.0 : 0.0);
                    });
    expect_elements(value({x, y}, ops::arctan2(x, y), {a, b}), {3, 2, 4},
                    [&](const Place& place) { return std::atan2(at(a, place), at(b, place)); });
    expect_elements(value({x, y}, ops::logaddexp(x, y), {a, b}), {3, 2, 4},
                    [&](const Place& place) {
                      return std::log(std::exp(at(a, place)) + std::exp(at(b, place)));
                    });
  }
  const auto bools = input({1, 2}, "bool"), halves = input({1, 2}, "float16");
  EXPECT_THROW((void)ops::hypot(bools, bools), UnsupportedError);
  EXPECT_EQ(ops::hypot(bools, halves).dtype(), DType::kFloat16);
  // As Keras takes a number here.
  EXPECT_EQ(ops::arctan2(halves, 2).dtype(), DType::kFloat32);
  EXPECT_EQ(ops::logaddexp(halves, 2).dtype(), DType::kFloat16);
}

// 0.3 is none of them, and half of an error in the last place is seen among these sizes.
TEST_F(Arithmetic, RoundsSlopesToTheDTypeOfHalves) {
  for (const DType dtype : {DType::kFloat16, DType::kBFloat16}) {
    const auto x = input({4, 50}, std::string(dtype_name(dtype)));
    const Tensor a = numbers({4, 50}, -9, -1).cast(dtype).cast(DType::kFloat64);
    const auto half = [dtype](double number) {
      return Tensor::from<double>({number}, {1})
          .cast(dtype)
          .cast(DType::kFloat64)
          .data<double>()[0];
    };
    expect_elements(
        value(x, ops::leaky_relu(x, 0.3), a), {4, 50},
        [&](const Place& place) { return half(half(0.3) * at(a, place)); }, 0);
    expect_elements(
        value(
            x,
            layers::LeakyReLU({.negative_slope = 0.3, .dtype = std::string(dtype_name(dtype))})(x),
            a),
        {4, 50}, [&](const Place& place) { return half(half(0.3) * at(a, place)); }, 0);
  }
}

TEST_F(Arithmetic, RoundsNumbersToTheDTypeOfHalves) {
  for (const char* dtype : {"float16", "bfloat16"}) {
    const auto x = input({3, 7}, dtype);
    const Tensor a = numbers({3, 7}).cast(x.dtype()).cast(DType::kFloat64);
    const double number =
        Tensor::from<double>({0.1}, {1}).cast(x.dtype()).cast(DType::kFloat64).data<double>()[0];
    for (const SymbolicTensor& y : {x * 0.1, 0.1 * x}) {
      const Tensor wanted = [&] {
        Tensor out = Tensor::empty({3, 7}, DType::kFloat64);
        for (std::size_t i = 0; i < 21; ++i) out.data<double>()[i] = a.data<double>()[i] * number;
        return out.cast(x.dtype());
      }();
      EXPECT_TRUE(bitwise_equal(value(x, y, a), wanted)) << dtype;
    }
  }
  // Where 1.3 itself would be four units in the last place away.
  const auto x = input({3, 7}, "bfloat16");
  const Tensor a = numbers({3, 7}, 60, 100).cast(x.dtype()).cast(DType::kFloat64);
  expect_elements(
      value(x, ops::power(x, 1.3), a), {3, 7},
      [&](const Place& place) { return std::pow(at(a, place), 1.296875); }, 1.0 / 256);
}

}  // namespace
}  // namespace lamina
