// Quarter turns, diagonals, differences, and products of each element with each.
#include <algorithm>

#include "tests/layers/expect_words.h"
#include "tests/layers/operations/elements.h"

namespace lamina {
namespace {

using test::at;
using test::expect_elements;
using test::pick;
using test::Place;

class Planes : public test::OperationTest {};

TEST_F(Planes, QuarterTurnsMoveElementsFromTheFirstAxisToTheSecond) {
  const Shape shape{3, 4, 2};
  const auto x = input(shape, "int32");
  const Tensor a = integers(shape, -50, 50);
  for (std::int64_t k = -5; k <= 5; ++k) {
    for (const auto& [first, second] : std::vector<std::pair<std::int64_t, std::int64_t>>{
             {0, 1}, {1, 0}, {1, 2}, {-1, 1}, {0, -1}}) {
      const auto p = static_cast<std::size_t>((first + 3) % 3),
                 q = static_cast<std::size_t>((second + 3) % 3);
      const std::int64_t turns = ((k % 4) + 4) % 4;
      std::vector<std::int64_t> dims = shape.dims();
      if (turns % 2 == 1) std::swap(dims[p], dims[q]);
      SCOPED_TRACE(::testing::PrintToString(std::vector<std::int64_t>{k, first, second}));
      const auto y = ops::rot90(x, k, {first, second});
      expect_elements(value(x, y, a), Shape(dims), [&](Place place) {
        std::vector<std::int64_t> sizes = dims;
        // Back, turn by turn: (i, j) of a turned plane was (j, rows - 1 - i).
        for (std::int64_t i = 0; i < turns; ++i) {
          const std::int64_t row = place[p], column = place[q];
          place[p] = column;
          place[q] = sizes[p] - 1 - row;
          std::swap(sizes[p], sizes[q]);
        }
        return at(a, place);
      });
    }
  }
}

TEST_F(Planes, DiagonalsOfPlanesAreTheLastAxis) {
  const Shape shape{3, 4, 2};
  const auto x = input(shape);
  const Tensor a = numbers(shape);
  for (const auto& [axis1, axis2] :
       std::vector<std::pair<std::int64_t, std::int64_t>>{{0, 1}, {1, 2}, {2, 1}, {-1, 0}}) {
    const auto p = static_cast<std::size_t>((axis1 + 3) % 3),
               q = static_cast<std::size_t>((axis2 + 3) % 3), other = 3 - p - q;
    for (std::int64_t offset = -5; offset <= 5; ++offset) {
      const std::int64_t row = std::max<std::int64_t>(0, -offset),
                         column = std::max<std::int64_t>(0, offset);
      const std::int64_t count =
          std::max<std::int64_t>(0, std::min(shape.dims()[p] - row, shape.dims()[q] - column));
      const auto element = [&](std::int64_t rest, std::int64_t i) {
        Place from(3);
        from[other] = rest;
        from[p] = row + i;
        from[q] = column + i;
        return at(a, from);
      };
      SCOPED_TRACE(::testing::PrintToString(std::vector<std::int64_t>{axis1, axis2, offset}));
      if (count > 0) {  // a model gives no empty tensor
        expect_elements(value(x, ops::diagonal(x, offset, axis1, axis2), a),
                        {shape.dims()[other], count},
                        [&](const Place& place) { return element(place[0], place[1]); });
        expect_elements(value(x, ops::trace(x, offset, axis1, axis2), a), {shape.dims()[other]},
                        [&](const Place& place) {
                          double sum = 0;
                          for (std::int64_t i = 0; i < count; ++i) sum += element(place[0], i);
                          return sum;
                        });
      }
    }
  }
}

TEST_F(Planes, DiagTakesADiagonalAndMakesAMatrixOfOne) {
  const auto x = input({3, 4}), v = ops::get_item(x, {ops::Slice{}, 1});
  const Tensor a = numbers({3, 4});
  for (const std::int64_t k : {-2, -1, 0, 1, 3}) {
    const std::int64_t row = std::max<std::int64_t>(0, -k), column = std::max<std::int64_t>(0, k);
    const std::int64_t size = 3 + std::abs(k), count = std::min(3 - row, 4 - column);
    expect_elements(value(x, ops::diag(x, k), a), {count}, [&](const Place& place) {
      return at(a, {row + place[0], column + place[0]});
    });
    expect_elements(value(x, ops::diag(v, k), a), {size, size}, [&](const Place& place) {
      const std::int64_t i = place[0] - row;
      return i >= 0 && i < 3 && place[1] - column == i ? at(a, {i, 1}) : 0;
    });
  }
}

TEST_F(Planes, DifferencesOfNeighboursAreTakenAgainAndAgain) {
  const auto x = input({3, 5}), n = input({3, 5}, "int32");
  const Tensor a = numbers({3, 5}), b = integers({3, 5}, -9, 9);
  expect_elements(value(x, ops::diff(x), a), {3, 4}, [&](const Place& p) {
    return at(a, {p[0], p[1] + 1}) - at(a, {p[0], p[1]});
  });
  expect_elements(value(n, ops::diff(n, 2, 0), b), {1, 5}, [&](const Place& p) {
    return at(b, {2, p[1]}) - 2 * at(b, {1, p[1]}) + at(b, {0, p[1]});
  });
  expect_elements(value(x, ops::diff(x, 0), a), {3, 5}, [&](const Place& p) { return at(a, p); });
}

TEST_F(Planes, OuterAndKroneckerProductsHaveEachWithEach) {
  const auto x = input({2, 3}), y = input({2, 2, 2}), n = input({2, 3}, "int32");
  const Tensor a = numbers({2, 3}), b = numbers({2, 2, 2}), c = integers({2, 3}, -9, 9);
  const auto flat = [](const Tensor& t, std::int64_t i) {
    return t.data<double>()[static_cast<std::size_t>(i)];
  };
  expect_elements(value({x, y}, ops::outer(x, y), {a, b}), {6, 8},
                  [&](const Place& p) { return flat(a, p[0]) * flat(b, p[1]); });
  expect_elements(value({x, n}, ops::outer(n, x), {a, c}), {6, 6},
                  [&](const Place& p) { return flat(c, p[0]) * flat(a, p[1]); });
  expect_elements(value(n, ops::outer(3, n), c), {1, 6},
                  [&](const Place& p) { return 3 * flat(c, p[1]); });
  expect_elements(value({x, n}, ops::kron(x, n), {a, c}), {4, 9}, [&](const Place& p) {
    return at(a, {p[0] / 2, p[1] / 3}) * at(c, {p[0] % 2, p[1] % 3});
  });
  // Of fewer axes: as if there were more of size 1 in front.
  expect_elements(value({x, y}, ops::kron(x, y), {a, b}), {2, 4, 6}, [&](const Place& p) {
    return at(a, {p[1] / 2, p[2] / 2}) * at(b, {p[0], p[1] % 2, p[2] % 2});
  });
}

TEST_F(Planes, CrossProductsOfVectorsOfTwoAndThree) {
  const Shape three{2, 4, 3}, two{2, 4, 2};
  const auto x = input(three), y = input(three), u = input(two), v = input(two);
  const Tensor a = numbers(three), b = numbers(three), c = numbers(two), d = numbers(two);
  const auto element = [](const Tensor& t, const Place& p, std::int64_t i) {
    return i < t.shape()[2] ? at(t, {p[0], p[1], i}) : 0;
  };
  const auto crossed = [&](const Tensor& s, const Tensor& t, const Place& p, std::int64_t i) {
    const std::int64_t j = (i + 1) % 3, k = (i + 2) % 3;
    return element(s, p, j) * element(t, p, k) - element(s, p, k) * element(t, p, j);
  };
  expect_elements(value({x, y}, ops::cross(x, y), {a, b}), three,
                  [&](const Place& p) { return crossed(a, b, p, p[2]); });
  expect_elements(value({x, v}, ops::cross(x, v), {a, d}), three,
                  [&](const Place& p) { return crossed(a, d, p, p[2]); });
  expect_elements(value({u, y}, ops::cross(u, y, -1, 2, 1), {c, b}), {2, 3, 4},
                  [&](const Place& p) {
                    return crossed(c, b, {p[0], p[2]}, p[1]);
                  });
  expect_elements(value({u, v}, ops::cross(u, v), {c, d}), {2, 4},
                  [&](const Place& p) { return crossed(c, d, p, 2); });
  const auto turned = ops::cross(ops::swapaxes(x, 1, 2), ops::swapaxes(y, 1, 2), 0, 0, 0, 1);
  expect_elements(value({x, y}, turned, {a, b}), {2, 3, 4}, [&](const Place& p) {
    return crossed(a, b, {p[0], p[2]}, p[1]);
  });
}

TEST_F(Planes, InnerProductsSumOverTheLastAxesAndVdotOverAll) {
  const auto x = input({2, 3, 4}), y = input({2, 4}), z = input({2, 4, 3});
  const Tensor a = numbers({2, 3, 4}), b = numbers({2, 4}), c = numbers({2, 4, 3});
  expect_elements(
      value({x, y}, ops::inner(x, y), {a, b}), {2, 3, 2},
      [&](const Place& p) {
        double sum = 0;
        for (std::int64_t i = 0; i < 4; ++i) sum += at(a, {p[0], p[1], i}) * at(b, {p[2], i});
        return sum;
      },
      1e-4);
  const auto total = [&](const Place&) {
    double sum = 0;
    for (std::size_t i = 0; i < 24; ++i) sum += a.data<double>()[i] * c.data<double>()[i];
    return sum;
  };
  expect_elements(value({x, z}, ops::vdot(x, z), {a, c}), {}, total, 1e-4);
}

TEST_F(Planes, WhatDoesNotFitIsRefusedInKerasWords) {
  const auto x = input({2, 3}), y = input({2, 4, 3});
  test::expect_words([&] { (void)ops::rot90(x, 1, {1, -1}); }, "Invalid axes");
  test::expect_words([&] { (void)ops::diagonal(x, 0, 1, -1); },
                     "`axis1` and `axis2` cannot be the same. Received: axis1=1, axis2=-1");
  test::expect_words([&] { (void)ops::diag(y); }, "`x` must be 1-D or 2-D");
  test::expect_words([&] { (void)ops::cross(y, y, 1); }, "must be either 2 or 3");
  test::expect_words([&] { (void)ops::inner(x, ops::swapaxes(y, 1, 2)); },
                     "Sizes of an axis that is summed over");
  test::expect_words([&] { (void)ops::outer(x, SymbolicTensor()); }, "undefined tensor");
  test::expect_words([&] { (void)ops::diff(x, -1); }, "Order must be non-negative but got -1");
}

}  // namespace
}  // namespace lamina
