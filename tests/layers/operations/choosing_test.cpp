// Elements by indices, and where they are; sums so far; norms.
#include <functional>
#include <limits>
#include <numeric>

#include "tests/layers/operations/elements.h"

namespace lamina {
namespace {

using test::at;
using test::expect_elements;
using test::pick;
using test::Place;

class Choosing : public test::OperationTest {};

std::int64_t from_front(double index, std::int64_t size) {
  const auto i = static_cast<std::int64_t>(index);
  return i < 0 ? i + size : i;
}

TEST_F(Choosing, TakesByTensorsOfIndices) {
  const Shape shape{3, 5, 4};
  for (const char* dtype : {"float32", "float64", "bfloat16", "int32", "bool"}) {
    for (const char* of_indices : {"int32", "int64", "int8"}) {
      const auto x = input(shape, dtype), ids = input({3, 2}, of_indices);
      const Tensor a = integers(shape, 0, 1), i = integers({3, 2}, -4, 3);
      expect_elements(value({x, ids}, ops::take(x, ids, -1), {a, i}), {3, 5, 3, 2},
                      [&](const Place& place) {
                        const double index = at(i, {place[2], place[3]});
                        return at(a, {place[0], place[1], from_front(index, 4)});
                      });
      const Tensor of_second = integers({3, 2}, -5, 4);
      expect_elements(value({x, ids}, ops::take(x, ids, 1), {a, of_second}), {3, 3, 2, 4},
                      [&](const Place& place) {
                        const double index = at(of_second, {place[1], place[2]});
                        return at(a, {place[0], from_front(index, 5), place[3]});
                      });
      const Tensor of_all = integers({3, 2}, -60, 59);
      expect_elements(value({x, ids}, ops::take(x, ids), {a, of_all}), {3, 2},
                      [&](const Place& place) {
                        const std::int64_t flat = from_front(at(of_all, place), 60);
                        return at(a, {flat / 20, flat / 4 % 5, flat % 4});
                      });
    }
  }
}

TEST_F(Choosing, TakesAlongAnAxis) {
  const Shape shape{3, 5, 4};
  const auto x = input(shape);
  const Tensor a = numbers(shape);
  struct Case {
    Shape indices;
    std::int64_t axis;
    Shape wanted;
  };
  for (const Case& each : {Case{{3, 2, 4}, 1, {3, 2, 4}}, Case{{3, 5, 7}, -1, {3, 5, 7}},
                           Case{{3, 1, 2}, 2, {3, 5, 2}}, Case{{3, 2, 1}, 1, {3, 2, 4}}}) {
    const auto ids = input(each.indices, "int32");
    const std::size_t axis = static_cast<std::size_t>(each.axis < 0 ? each.axis + 3 : each.axis);
    const std::int64_t size = shape.dims()[axis];
    const Tensor i = integers(each.indices, -size, size - 1);
    expect_elements(value({x, ids}, ops::take_along_axis(x, ids, each.axis), {a, i}), each.wanted,
                    [&](Place place) {
                      place[axis] = from_front(at(i, place), size);
                      return at(a, place);
                    });
  }
  const auto row = input({6}, "int32");
  const Tensor i = integers({6}, -60, 59);
  const Tensor b = numbers({6, 5, 2});
  const auto y = input({6, 5, 2});
  expect_elements(value({y, row}, ops::take_along_axis(y, row), {b, i}), {6},
                  [&](const Place& place) {
                    const std::int64_t flat = from_front(at(i, place), 60);
                    return at(b, {flat / 10, flat / 2 % 5, flat % 2});
                  });
}

TEST_F(Choosing, RefusesIndicesThatTheAxisDoesNotHave) {
  const auto x = input({3, 5}), ids = input({3, 2}, "int32");
  const Tensor a = numbers({3, 5});
  for (const std::int32_t wrong : {5, -6, 1000000}) {
    const Tensor i = Tensor::from<std::int32_t>({0, 1, 2, wrong, 4, -5}, {3, 2});
    for (const SymbolicTensor& y : {ops::take(x, ids, 1), ops::take_along_axis(x, ids, 1)}) {
      const auto model = Functional::create({x, ids}, SymbolicTensors{y});
      EXPECT_THROW((void)model->predict_on_batch({a.cast(DType::kFloat32), i}), ValueError);
    }
  }
}

TEST_F(Choosing, FindsTheFirstOfTheLargestAndOfTheSmallest) {
  const Shape shape{3, 5, 4};
  for (const char* dtype : {"float32", "float16", "int32", "uint8", "bool"}) {
    SCOPED_TRACE(dtype);
    const auto x = input(shape, dtype);
    const bool has_sign = std::string(dtype) != "bool" && dtype[0] != 'u';
    const Tensor a = integers(shape, has_sign ? -2 : 0, std::string(dtype) == "bool" ? 1 : 3);
    for (const bool least : {false, true}) {
      const auto before = [&](double one, double other) {
        return least ? one < other : one > other;
      };
      const SymbolicTensor y = least ? ops::argmin(x, 1) : ops::argmax(x, 1);
      EXPECT_EQ(y.dtype(), DType::kInt32);
      expect_elements(value(x, y, a), {3, 4}, [&](const Place& place) {
        std::int64_t best = 0;
        for (std::int64_t i = 1; i < 5; ++i) {
          const double value = at(a, {place[0], i, place[1]});
          if (before(value, at(a, {place[0], best, place[1]}))) best = i;
        }
        return static_cast<double>(best);
      });
      const SymbolicTensor of_all = least ? ops::argmin(x, {}, true) : ops::argmax(x, {}, true);
      expect_elements(value(x, of_all, a), {1, 1, 1}, [&](const Place&) {
        const auto all = a.data<double>();
        return static_cast<double>((least ? std::min_element(all.begin(), all.end())
                                          : std::max_element(all.begin(), all.end())) -
                                   all.begin());
      });
    }
  }
}

TEST_F(Choosing, FindsNanBeforeAllElse) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  const auto x = input({2, 4});
  const Tensor a = Tensor::from<double>({1, nan, infinity, nan, -infinity, 3, 3, 2}, {2, 4});
  const auto places = [&](const SymbolicTensor& y) {
    const Tensor found = value(x, y, a);
    return std::vector<std::int32_t>(found.data<std::int32_t>().begin(),
                                     found.data<std::int32_t>().end());
  };
  EXPECT_EQ(places(ops::argmax(x, 1)), (std::vector<std::int32_t>{1, 1}));
  EXPECT_EQ(places(ops::argmin(x, 1)), (std::vector<std::int32_t>{1, 0}));
}

TEST_F(Choosing, MakesOneHotVectors) {
  const auto x = input({4, 3}, "int32");
  const Tensor a = integers({4, 3}, -1, 6);
  EXPECT_EQ(ops::one_hot(x, 5).dtype(), DType::kFloat32);
  expect_elements(value(x, ops::one_hot(x, 5), a), {4, 3, 5}, [&](const Place& place) {
    return at(a, {place[0], place[1]}) == static_cast<double>(place[2]) ? 1 : 0;
  });
  for (const DType dtype : {DType::kBool, DType::kUInt8, DType::kFloat16}) {
    const SymbolicTensor y = ops::one_hot(x, 5, 1, dtype);
    EXPECT_EQ(y.dtype(), dtype);
    expect_elements(value(x, y, a), {4, 5, 3}, [&](const Place& place) {
      return at(a, {place[0], place[2]}) == static_cast<double>(place[1]) ? 1 : 0;
    });
  }
}

TEST_F(Choosing, CumulatesAlongAnAxis) {
  const Shape shape{2, pick(random(), 1, 70), 3};
  for (const char* dtype : {"float32", "float64", "int32", "int8", "bool"}) {
    SCOPED_TRACE(dtype);
    const auto x = input(shape, dtype);
    const bool is_bool = std::string(dtype) == "bool";
    const Tensor a = integers(shape, 0, 1);
    for (const bool product : {false, true}) {
      const SymbolicTensor y = product ? ops::cumprod(x, 1) : ops::cumsum(x, 1);
      EXPECT_EQ(dtype_name(y.dtype()), is_bool ? "int32" : dtype);
      expect_elements(value(x, y, a), shape, [&](const Place& place) {
        double all = product ? 1 : 0;
        for (std::int64_t i = 0; i <= place[1]; ++i) {
          const double each = at(a, {place[0], i, place[2]});
          all = product ? all * each : all + each;
        }
        return all;
      });
    }
  }
  const auto x = input({2, 3}, "int8");
  const Tensor a = integers({2, 3}, 50, 100);
  const SymbolicTensor y = ops::cumsum(x, {}, DType::kInt32);
  expect_elements(value(x, y, a), {6}, [&](const Place& place) {
    const auto all = a.data<double>();
    return std::accumulate(all.begin(), all.begin() + place[0] + 1, 0.0);
  });
}

TEST_F(Choosing, HasNormsOfAllOrders) {
  const double infinity = std::numeric_limits<double>::infinity();
  const Shape shape{3, 6};
  const auto x = input(shape);
  const Tensor a = numbers(shape);
  for (const double order : {0.0, 1.0, 2.0, 3.0, -1.5, infinity, -infinity}) {
    SCOPED_TRACE(order);
    expect_elements(value(x, ops::norm(x, order, 1, true), a), {3, 1}, [&](const Place& place) {
      double sum = 0, most = 0, least = infinity;
      for (std::int64_t i = 0; i < 6; ++i) {
        const double size = std::fabs(at(a, {place[0], i}));
        most = std::max(most, size), least = std::min(least, size);
        sum += order == 0 ? 1 : std::pow(size, order);
      }
      if (std::isinf(order)) return order > 0 ? most : least;
      return order == 0 ? sum : std::pow(sum, 1 / order);
    });
  }
  for (const std::int64_t order : {1, 2, 3}) {
    expect_elements(value(x, ops::normalize(x, 1, order), a), shape, [&](const Place& place) {
      double sum = 0;
      for (std::int64_t i = 0; i < 6; ++i) {
        sum += std::pow(std::fabs(at(a, {place[0], i})), static_cast<double>(order));
      }
      return at(a, place) / std::pow(sum, 1 / static_cast<double>(order));
    });
  }
  const Tensor zeros = integers(shape, 0, 0);
  expect_elements(value(x, ops::normalize(x), zeros), shape, [](const Place&) { return 0; });
}

TEST_F(Choosing, SumsExponentialsOfWhatIsLargeAndOfNothing) {
  const double infinity = std::numeric_limits<double>::infinity();
  const auto x = input({4, 2});
  const Tensor a =
      Tensor::from<double>({1000, 1000, -infinity, -infinity, infinity, 0, -2000, -2000}, {4, 2});
  const Tensor got = value(x, ops::logsumexp(x, 1), a);
  EXPECT_FLOAT_EQ(got.data<float>()[0], 1000.69315F);
  EXPECT_EQ(got.data<float>()[1], -std::numeric_limits<float>::infinity());
  EXPECT_EQ(got.data<float>()[2], std::numeric_limits<float>::infinity());
  EXPECT_FLOAT_EQ(got.data<float>()[3], -1999.30685F);
}

TEST_F(Choosing, LetsHalfOfAnAxisThroughTheOther) {
  const Shape shape{3, 4, 6};
  const auto x = input(shape);
  const Tensor a = numbers(shape);
  const auto gated = [](double value, double gate) { return value / (1 + std::exp(-gate)); };
  expect_elements(value(x, ops::glu(x), a), {3, 4, 3}, [&](const Place& place) {
    return gated(at(a, place), at(a, {place[0], place[1], place[2] + 3}));
  });
  expect_elements(value(x, ops::glu(x, 1), a), {3, 2, 6}, [&](const Place& place) {
    return gated(at(a, place), at(a, {place[0], place[1] + 2, place[2]}));
  });
}

}  // namespace
}  // namespace lamina
