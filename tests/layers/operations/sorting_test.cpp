// Operations that put elements in order: values, ties, what is no number.
#include <algorithm>
#include <limits>
#include <numeric>

#include "tests/layers/expect_words.h"
#include "tests/layers/operations/elements.h"

namespace lamina {
namespace {

using test::at;
using test::expect_elements;
using test::Place;

class Sorting : public test::OperationTest {
 protected:
  /// The elements of an axis beside a place, from the first on.
  static std::vector<double> line_of(const Tensor& x, Place place, std::size_t axis) {
    std::vector<double> out;
    for (place[axis] = 0; place[axis] < x.shape().dims()[axis]; ++place[axis]) {
      out.push_back(at(x, place));
    }
    return out;
  }
  /// Where its elements stand that have been sorted; the first of equal ones first.
  static std::vector<std::int64_t> order_of(const std::vector<double>& line, bool descending) {
    std::vector<std::int64_t> order(line.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
      const double p = line[static_cast<std::size_t>(a)], q = line[static_cast<std::size_t>(b)];
      return descending ? p > q : p < q;
    });
    return order;
  }
};

constexpr const char* kDTypes[] = {"float32", "float64", "float16", "bfloat16", "int8",
                                   "int32",   "int64",   "uint8",   "uint32",   "uint64"};

TEST_F(Sorting, AlongAnyAxisOfAnyDTypeTheFirstOfEqualOnesFirst) {
  const Shape shape{3, 40, 2};
  for (const char* dtype : kDTypes) {
    SCOPED_TRACE(dtype);
    const auto x = input(shape, dtype);
    const Tensor a = integers(shape, dtype[0] == 'u' ? 0 : -9, 9);  // many of them alike
    for (const std::int64_t axis : {0, 1, 2, -1, -2}) {
      const auto index = static_cast<std::size_t>(axis < 0 ? axis + 3 : axis);
      const auto wanted = [&](const Place& place) {
        const std::vector<double> line = line_of(a, place, index);
        return std::pair(line, order_of(line, false)[static_cast<std::size_t>(place[index])]);
      };
      EXPECT_EQ(ops::sort(x, axis).dtype(), x.dtype());
      EXPECT_EQ(ops::argsort(x, axis).dtype(), DType::kInt32);
      expect_elements(
          value(x, ops::sort(x, axis), a), shape,
          [&](const Place& place) {
            const auto found = wanted(place);
            return found.first[static_cast<std::size_t>(found.second)];
          },
          0);
      expect_elements(
          value(x, ops::argsort(x, axis), a), shape,
          [&](const Place& place) { return static_cast<double>(wanted(place).second); }, 0);
    }
  }
}

TEST_F(Sorting, WithoutAnAxisOfAllElementsInARow) {
  const auto x = input({3, 5, 2});
  const Tensor a = numbers({3, 5, 2});
  std::vector<double> all(a.data<double>().begin(), a.data<double>().end());
  std::sort(all.begin(), all.end());
  expect_elements(value(x, ops::sort(x, std::nullopt), a), {30},
                  [&](const Place& place) { return all[static_cast<std::size_t>(place[0])]; });
  const Tensor places = value(x, ops::argsort(x, std::nullopt), a);
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(a.data<double>()[static_cast<std::size_t>(places.data<std::int32_t>()[i])], all[i]);
  }
  EXPECT_EQ(ops::sort(x, std::nullopt).shape().str(), "(None,)");
}

TEST_F(Sorting, PutsTrueBehindFalseAndLargeIntegersWhereTheyBelong) {
  const auto flags = input({1, 5}, "bool");
  const Tensor a = Tensor::from<double>({1, 0, 1, 0, 1}, {1, 5});
  expect_elements(value(flags, ops::sort(flags), a), {1, 5},
                  [](const Place& place) { return place[1] < 2 ? 0 : 1; });
  // No double holds these.
  const auto x = layers::Input({.shape = {3}, .dtype = "int64"});
  const auto model = Functional::create(x, ops::sort(x));
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  const Tensor y =
      model->predict_on_batch(Tensor::from<std::int64_t>({kMost, kMost - 1, -kMost - 1}, {1, 3}));
  EXPECT_EQ(std::vector<std::int64_t>(y.data<std::int64_t>().begin(), y.data<std::int64_t>().end()),
            (std::vector<std::int64_t>{-kMost - 1, kMost - 1, kMost}));
}

TEST_F(Sorting, PutsWhatIsNoNumberBehindAllElse) {
  const double infinity = std::numeric_limits<double>::infinity();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Tensor a = Tensor::from<double>({2, nan, -infinity, -nan, infinity, 2}, {1, 6});
  for (const char* dtype : {"float32", "float64", "float16", "bfloat16"}) {
    SCOPED_TRACE(dtype);
    const auto x = input({1, 6}, dtype);
    const auto expect = [&](const SymbolicTensor& y, const std::vector<double>& wanted) {
      expect_elements(
          value(x, y, a), {1, static_cast<std::int64_t>(wanted.size())},
          [&](const Place& place) { return wanted[static_cast<std::size_t>(place[1])]; }, 0);
    };
    expect(ops::sort(x), {-infinity, 2, 2, infinity, nan, nan});
    expect(ops::argsort(x), {2, 0, 5, 4, 1, 3});
    expect(ops::top_k(x, 4)[0], {nan, nan, infinity, 2});
    expect(ops::top_k(x, 4)[1], {1, 3, 4, 0});
    expect(ops::median(x, 1, true), {nan});
    expect(ops::quantile(x, 0, 1, true), {nan});
  }
}

TEST_F(Sorting, FindsTheGreatestOfTheLastAxisAndTheirPlaces) {
  const Shape shape{2, 3, 70};
  for (const char* dtype : kDTypes) {
    SCOPED_TRACE(dtype);
    const auto x = input(shape, dtype);
    const Tensor a = integers(shape, dtype[0] == 'u' ? 0 : -30, 30);
    const std::int64_t k = test::pick(random(), 1, 70);
    const SymbolicTensors best = ops::top_k(x, k, test::pick(random(), 0, 1) == 1);
    ASSERT_EQ(best.size(), 2U);
    EXPECT_EQ(best[0].dtype(), x.dtype());
    EXPECT_EQ(best[1].dtype(), DType::kInt32);
    const auto place_of = [&](const Place& place) {
      return order_of(line_of(a, place, 2), true)[static_cast<std::size_t>(place[2])];
    };
    expect_elements(
        value(x, best[1], a), {2, 3, k},
        [&](const Place& place) { return static_cast<double>(place_of(place)); }, 0);
    expect_elements(
        value(x, best[0], a), {2, 3, k},
        [&](const Place& place) {
          return at(a, {place[0], place[1], place_of(place)});
        },
        0);
  }
  const auto x = input(shape);
  EXPECT_EQ(value(x, ops::top_k(x, 0)[0], numbers(shape)).shape(), (Shape{2, 3, 0}));
}

TEST_F(Sorting, ReadsQuantilesBetweenNeighbours) {
  for (const std::int64_t size : {1, 2, 7, 10}) {
    const Shape shape{3, size, 4};
    const auto x = input(shape);
    const Tensor a = numbers(shape);
    const auto expect = [&](const SymbolicTensor& y, const Shape& to, double q, bool both) {
      expect_elements(value(x, y, a), to, [&](const Place& place) {
        std::vector<double> all;
        for (std::int64_t i = 0; i < size; ++i) {
          for (std::int64_t k = 0; k < (both ? 4 : 1); ++k) {
            all.push_back(at(a, {place[0], i, both ? k : place.back()}));
          }
        }
        std::sort(all.begin(), all.end());
        const double exact = q * static_cast<double>(all.size() - 1), low = std::floor(exact);
        const auto index = static_cast<std::size_t>(low);
        return all[index] + (exact - low) * (all[std::min(index + 1, all.size() - 1)] - all[index]);
      });
    };
    expect(ops::median(x, 1), {3, 4}, 0.5, false);
    expect(ops::median(x, 1, true), {3, 1, 4}, 0.5, false);
    expect(ops::median(x, {{1, -1}}), {3}, 0.5, true);
    for (const double q : {0.0, 0.25, 0.3, 0.9, 1.0}) {
      expect(ops::quantile(x, q, 1), {3, 4}, q, false);
      expect(ops::quantile(x, q, {{-1, 1}}, true), {3, 1, 1}, q, true);
    }
  }
  const auto n = input({2, 4}, "int32");
  EXPECT_EQ(ops::median(n).dtype(), DType::kFloat32);
  expect_elements(
      value(n, ops::median(n, 1), Tensor::from<double>({4, 1, 9, 2, 0, 0, 1, 0}, {2, 4})), {2},
      [](const Place& place) { return place[0] == 0 ? 3 : 0; });
  EXPECT_EQ(ops::median(input({2, 4}, "float16"), 1).dtype(), DType::kFloat16);
  const auto zeros = input({2, 2});
  for (const SymbolicTensor& y : {ops::median(zeros, 1), ops::quantile(zeros, 0.3, 1)}) {
    expect_elements(value(zeros, ops::signbit(y), Tensor::from<double>({-0.0, -0.0, 0, 0}, {2, 2})),
                    {2}, [](const Place& place) { return place[0] == 0 ? 1 : 0; });
  }
}

TEST_F(Sorting, RefusesWhatDoesNotFitInKerasWords) {
  const auto x = input({2, 5});
  const auto expect = [](const std::function<void()>& make, const char* words) {
    test::expect_words<ValueError>(make, words);
  };
  expect([&] { (void)ops::sort(x, 2); }, "axis 2 is out of bounds for an array with 2 dimensions");
  expect([&] { (void)ops::argsort(x, -3); }, "axis -3 is out of bounds for an array");
  expect([&] { (void)ops::top_k(x, 6); },
         "k argument to top_k must be no larger than size along axis; got k=6");
  expect([&] { (void)ops::top_k(x, -1); }, "k argument to top_k must be nonnegative, got -1");
  expect([&] { (void)ops::quantile(x, 1.5); }, "Quantiles must be in the range [0, 1]");
}

}  // namespace
}  // namespace lamina
