// einsum and its kin: values against loops over every letter.
#include <algorithm>
#include <map>

#include "tests/layers/operations/elements.h"

namespace lamina {
namespace {

using test::at;
using test::expect_elements;
using test::for_each_place;
using test::one_of;
using test::pick;
using test::Place;

class Contractions : public test::OperationTest {
 protected:
  using Sizes = std::map<char, std::int64_t>;

  static Shape shape_of(const std::string& letters, const Sizes& sizes) {
    Shape shape;
    for (const char letter : letters) shape.push_back(sizes.at(letter));
    return shape;
  }
  /// The sum over all letters that the result lacks.
  static double wanted(const std::vector<std::string>& operands, const std::vector<Tensor>& data,
                       const std::string& result, const Sizes& sizes, const Place& place) {
    std::string free;
    for (const auto& [letter, size] : sizes) {
      if (result.find(letter) == std::string::npos) free += letter;
    }
    double sum = 0;
    for_each_place(shape_of(free, sizes), [&](const Place& rest) {
      double product = 1;
      for (std::size_t i = 0; i < operands.size(); ++i) {
        Place from;
        for (const char letter : operands[i]) {
          const std::size_t kept = result.find(letter);
          from.push_back(kept == std::string::npos ? rest[free.find(letter)] : place[kept]);
        }
        product *= at(data[i], from);
      }
      sum += product;
    });
    return sum;
  }
  /// Of operands whose first letter, the batch, all have.
  void expect_einsum(const std::vector<std::string>& operands, const std::string& result,
                     const Sizes& sizes) {
    std::string text;
    SymbolicTensors inputs;
    std::vector<Tensor> data;
    for (const std::string& operand : operands) {
      text += (text.empty() ? "" : ",") + operand;
      inputs.push_back(input(shape_of(operand, sizes)));
      data.push_back(numbers(shape_of(operand, sizes)));
    }
    text += "->" + result;
    SCOPED_TRACE(text);
    expect_elements(
        value(inputs, ops::einsum(text, inputs), data), shape_of(result, sizes),
        [&](const Place& place) { return wanted(operands, data, result, sizes, place); }, 1e-4);
  }
  std::string shuffled(std::string letters) {
    std::shuffle(letters.begin(), letters.end(), random());
    return letters;
  }
};

TEST_F(Contractions, EinsumIsAnySumOfProducts) {
  for (int round = 0; round < 40; ++round) {
    Sizes sizes{{'n', pick(random(), 1, 3)}};
    const std::string all = "abcde";
    for (const char letter : all) sizes[letter] = pick(random(), 1, 4);
    std::vector<std::string> operands;
    std::string used;
    for (std::int64_t count = pick(random(), 1, 3); count > 0; --count) {
      std::string letters;
      for (const char letter : all) {
        if (pick(random(), 0, 1) == 1) letters += letter;
      }
      operands.push_back("n" + shuffled(letters));
      used += operands.back();
    }
    std::string result;
    for (const char letter : "n" + all) {
      const bool there = used.find(letter) != std::string::npos;
      if (!there) sizes.erase(letter);
      if (there && pick(random(), 0, 1) == 1) result += letter;
    }
    expect_einsum(operands, shuffled(result), sizes);
  }
}

TEST_F(Contractions, EinsumOfWhatModelsAreMadeOf) {
  const Sizes sizes{{'b', 2}, {'q', 3}, {'k', 4}, {'h', 2}, {'d', 5}};
  expect_einsum({"bqhd", "bkhd"}, "bhqk", sizes);
  expect_einsum({"bhqk", "bkhd"}, "bqhd", sizes);
  expect_einsum({"bqd", "bkd"}, "bqk", {{'b', 2}, {'q', 3}, {'k', 4}, {'d', 5}});
  expect_einsum({"bqd"}, "dqb", {{'b', 2}, {'q', 3}, {'d', 5}});
  expect_einsum({"bqd"}, "", {{'b', 2}, {'q', 3}, {'d', 5}});
  expect_einsum({"bq", "bk"}, "bqk", {{'b', 2}, {'q', 3}, {'k', 4}});
}

TEST_F(Contractions, EinsumFillsEllipsesInAndSkipsWhatIsImplied) {
  const auto x = input({3, 2, 4}), y = input({3, 4, 5});
  const Tensor a = numbers({3, 2, 4}), b = numbers({3, 4, 5});
  const auto product = [&](const Place& place) {
    double sum = 0;
    for (std::int64_t k = 0; k < 4; ++k) {
      sum += at(a, {place[0], place[1], k}) * at(b, {place[0], k, place[2]});
    }
    return sum;
  };
  for (const char* text : {"...ij,...jk->...ik", "nij, njk -> nik", "...ij,...jk"}) {
    SCOPED_TRACE(text);
    expect_elements(value({x, y}, ops::einsum(text, {x, y}), {a, b}), {3, 2, 5}, product, 1e-4);
  }
  // Of fewer axes: repeated along the first ones. And where one has size 1.
  const SymbolicTensor matrix = ops::get_item(y, {0});
  expect_elements(
      value({x, y}, ops::einsum("...i,...ij->...j", {x, matrix}), {a, b}), {3, 2, 5},
      [&](const Place& place) {
        double sum = 0;
        for (std::int64_t k = 0; k < 4; ++k) {
          sum += at(a, {place[0], place[1], k}) * at(b, {0, k, place[2]});
        }
        return sum;
      },
      1e-4);
  const SymbolicTensor one = ops::get_item(x, {ops::Slice{}, ops::Slice{.stop = 1}});
  expect_elements(
      value(x, ops::einsum("...i,...i->...", {x, one}), a), {3, 2},
      [&](const Place& place) {
        double sum = 0;
        for (std::int64_t k = 0; k < 4; ++k)
          sum += at(a, {place[0], place[1], k}) * at(a, {place[0], 0, k});
        return sum;
      },
      1e-4);
  expect_elements(value(x, ops::einsum("cba", {x}), a), {4, 2, 3}, [&](const Place& place) {
    return at(a, {place[2], place[1], place[0]});
  });
}

TEST_F(Contractions, DotAndTensordotPairAxes) {
  const auto x = input({3, 2, 4}), y = input({3, 4, 5});
  const Tensor a = numbers({3, 2, 4}), b = numbers({3, 4, 5});
  const auto expect = [&](const SymbolicTensor& z, const Shape& shape, const auto& of) {
    expect_elements(value({x, y}, z, {a, b}), shape, of, 1e-4);
  };
  const auto over_four = [&](const auto& first, const auto& second) {
    double sum = 0;
    for (std::int64_t k = 0; k < 4; ++k) sum += at(a, first(k)) * at(b, second(k));
    return sum;
  };
  for (const SymbolicTensor& z : {ops::dot(x, y), ops::tensordot(x, y, {-1}, {1})}) {
    expect(z, {3, 2, 3, 5}, [&](const Place& p) {
      return over_four(
          [&](std::int64_t k) {
            return Place{p[0], p[1], k};
          },
          [&](std::int64_t k) {
            return Place{p[2], k, p[3]};
          });
    });
  }
  expect(ops::dot(x, ops::get_item(y, {0, ops::Slice{}, 0})), {3, 2}, [&](const Place& p) {
    return over_four(
        [&](std::int64_t k) {
          return Place{p[0], p[1], k};
        },
        [&](std::int64_t k) {
          return Place{0, k, 0};
        });
  });
  expect(ops::tensordot(x, ops::get_item(y, {0}), 1), {3, 2, 5}, [&](const Place& p) {
    return over_four(
        [&](std::int64_t k) {
          return Place{p[0], p[1], k};
        },
        [&](std::int64_t k) {
          return Place{0, k, p[2]};
        });
  });
  expect(ops::tensordot(x, y, {0, 2}, {0, 1}), {2, 5}, [&](const Place& p) {
    double sum = 0;
    for (std::int64_t n = 0; n < 3; ++n) {
      sum += over_four(
          [&](std::int64_t k) {
            return Place{n, p[0], k};
          },
          [&](std::int64_t k) {
            return Place{n, k, p[1]};
          });
    }
    return sum;
  });
  expect(ops::tensordot(ops::get_item(x, {0}), ops::get_item(y, {0}), 0), {2, 4, 4, 5},
         [&](const Place& p) {
           return at(a, {0, p[0], p[1]}) * at(b, {0, p[2], p[3]});
         });
}

}  // namespace
}  // namespace lamina
