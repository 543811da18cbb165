// Operations that split, turn, repeat and pad: values against loops.
#include <numeric>

#include "tests/layers/operations/elements.h"

namespace lamina {
namespace {

using test::at;
using test::expect_elements;
using test::pick;
using test::Place;

class Moving : public test::OperationTest {
 protected:
  /// Holds y against a, taken at from(place).
  template <class F>
  void expect_from(const SymbolicTensor& x, const SymbolicTensor& y, const Tensor& a,
                   const Shape& shape, const F& from) {
    expect_elements(
        value(x, y, a), shape, [&](const Place& place) { return at(a, from(place)); }, 0);
  }
};

TEST_F(Moving, SplitsIntoPartsAlikeAndAtIndices) {
  const Shape shape{3, 6, 4};
  for (const char* dtype : {"float32", "bfloat16", "int32", "bool"}) {
    SCOPED_TRACE(dtype);
    const auto x = input(shape, dtype);
    const Tensor a = integers(shape, 0, 1);
    const SymbolicTensors halves = ops::split(x, 2, -1);
    ASSERT_EQ(halves.size(), 2U);
    for (std::size_t i = 0; i < 2; ++i) {
      EXPECT_EQ(halves[i].shape(), (Shape{kNone, 6, 2}));
      EXPECT_EQ(dtype_name(halves[i].dtype()), dtype);
      const auto offset = static_cast<std::int64_t>(2 * i);
      expect_from(x, halves[i], a, {3, 6, 2}, [&](const Place& place) {
        return Place{place[0], place[1], place[2] + offset};
      });
    }
    const SymbolicTensors parts = ops::split(x, {1, 1, 4}, 1);
    ASSERT_EQ(parts.size(), 4U);
    const std::vector<std::int64_t> begins{0, 1, 1, 4}, sizes{1, 0, 3, 2};
    for (const std::size_t i : {0U, 2U, 3U}) {
      expect_from(x, parts[i], a, {3, sizes[i], 4}, [&](const Place& place) {
        return Place{place[0], place[1] + begins[i], place[2]};
      });
    }
    EXPECT_EQ(parts[1].shape(), (Shape{kNone, 0, 4}));
  }
}

TEST_F(Moving, PartsOfOneCallAreOutputsOfOneNode) {
  const auto x = layers::Input({.shape = {4, 2}, .name = "x"});
  const SymbolicTensors rows = ops::unstack(x, {}, 1);
  ASSERT_EQ(rows.size(), 4U);
  const auto model = Functional::create(x, rows[3] - rows[1] * rows[0]);
  const Tensor a = numbers({5, 4, 2});
  const auto same = Model::from_json_text(model->to_json());
  for (const ModelPtr& each : {ModelPtr(model), same}) {
    expect_elements(
        each->predict_on_batch(a.cast(DType::kFloat32)), {5, 2}, [&](const Place& place) {
          const auto row = [&](std::int64_t i) { return at(a, {place[0], i, place[1]}); };
          return row(3) - row(1) * row(0);
        });
  }
}

TEST_F(Moving, EndsTheMasksOfAllParts) {
  const auto ids = layers::Input({.shape = {4}, .dtype = "int32"});
  const auto words = layers::Embedding({.input_dim = 5, .output_dim = 4, .mask_zero = true})(ids);
  const SymbolicTensors parts = ops::split(words, {4}, 1);  // the first is all of it
  const auto model = Functional::create(ids, layers::GlobalAveragePooling1D()(parts[0]));
  const auto masked = Functional::create(ids, layers::GlobalAveragePooling1D()(words));
  const Tensor some = Tensor::from<std::int32_t>({1, 2, 0, 0}, {1, 4});
  EXPECT_FALSE(bitwise_equal(model->predict_on_batch(some), masked->predict_on_batch(some)));
}

TEST_F(Moving, TurnsAxesAround) {
  const Shape shape{3, 5, 4};
  for (const char* dtype : {"float32", "float16", "int32", "bool"}) {
    SCOPED_TRACE(dtype);
    const auto x = input(shape, dtype);
    const Tensor a = integers(shape, 0, 1);
    expect_from(x, ops::flip(x, 1), a, shape, [](const Place& place) {
      return Place{place[0], 4 - place[1], place[2]};
    });
    expect_from(x, ops::flip(x, {{-1, 1}}), a, shape, [](const Place& place) {
      return Place{place[0], 4 - place[1], 3 - place[2]};
    });
    expect_from(x, ops::flip(x), a, shape, [](const Place& place) {
      return Place{2 - place[0], 4 - place[1], 3 - place[2]};
    });
    expect_from(x, ops::fliplr(x), a, shape, [](const Place& place) {
      return Place{place[0], 4 - place[1], place[2]};
    });
    expect_from(x, ops::flipud(x), a, shape, [](const Place& place) {
      return Place{2 - place[0], place[1], place[2]};
    });
    const std::int64_t shift = pick(random(), -12, 12), other = pick(random(), -9, 9);
    const auto wrapped = [](std::int64_t i, std::int64_t size) { return (i % size + size) % size; };
    expect_from(x, ops::roll(x, {shift, other}, {{1, 2}}), a, shape, [&](const Place& place) {
      return Place{place[0], wrapped(place[1] - shift, 5), wrapped(place[2] - other, 4)};
    });
    expect_from(x, ops::roll(x, shift), a, shape, [&](const Place& place) {
      const std::int64_t flat =
          wrapped((place[0] * 5 + place[1]) * 4 + place[2] - shift, 3 * 5 * 4);
      return Place{flat / 20, flat / 4 % 5, flat % 4};
    });
    expect_from(x, ops::moveaxis(x, -1, 1), a, {3, 4, 5}, [](const Place& place) {
      return Place{place[0], place[2], place[1]};
    });
    expect_from(x, ops::moveaxis(x, {0, 1}, {-1, 0}), a, {5, 4, 3}, [](const Place& place) {
      return Place{place[2], place[0], place[1]};
    });
    expect_from(x, ops::ravel(x), a, {60}, [](const Place& place) {
      return Place{place[0] / 20, place[0] / 4 % 5, place[0] % 4};
    });
  }
}

TEST_F(Moving, RepeatsElementsAndAxes) {
  const Shape shape{3, 2, 4};
  for (const char* dtype : {"float32", "bfloat16", "uint8", "bool"}) {
    SCOPED_TRACE(dtype);
    const auto x = input(shape, dtype);
    const Tensor a = integers(shape, 0, 1);
    expect_from(x, ops::tile(x, {1, 3, 2}), a, {3, 6, 8}, [](const Place& place) {
      return Place{place[0], place[1] % 2, place[2] % 4};
    });
    expect_from(x, ops::tile(x, 2), a, {3, 2, 8}, [](const Place& place) {
      return Place{place[0], place[1], place[2] % 4};
    });
    expect_from(x, ops::tile(x, {2, 1, 1, 1}), a, {2, 3, 2, 4}, [](const Place& place) {
      return Place{place[1], place[2], place[3]};
    });
    expect_from(x, ops::repeat(x, 3, 1), a, {3, 6, 4}, [](const Place& place) {
      return Place{place[0], place[1] / 3, place[2]};
    });
    expect_from(x, ops::repeat(x, {2, 0, 1, 3}, -1), a, {3, 2, 6}, [](const Place& place) {
      return Place{place[0], place[1],
                   std::vector<std::int64_t>{0, 0, 2, 3, 3, 3}[static_cast<std::size_t>(place[2])]};
    });
    expect_from(x, ops::repeat(x, 2), a, {48}, [](const Place& place) {
      return Place{place[0] / 16, place[0] / 8 % 2, place[0] / 2 % 4};
    });
    const SymbolicTensor one = ops::get_item(x, {0, ops::Slice{}, ops::Slice{.stop = 1}});
    expect_from(x, ops::broadcast_to(one, {5, 2, 3}), a, {5, 2, 3}, [](const Place& place) {
      return Place{0, place[1], 0};
    });
  }
}

TEST_F(Moving, PadsAsNumpy) {
  const Shape shape{3, 4, 2};
  const auto x = input(shape);
  const Tensor a = numbers(shape);
  const auto expect = [&](const SymbolicTensor& y, const std::vector<std::int64_t>& places,
                          double otherwise = 0) {
    const Shape wanted{3, static_cast<std::int64_t>(places.size()), 2};
    EXPECT_EQ(y.shape(), (Shape{kNone, wanted[1], 2}));
    expect_elements(
        value(x, y, a), wanted,
        [&](const Place& place) {
          const std::int64_t from = places[static_cast<std::size_t>(place[1])];
          return from < 0 ? otherwise : at(a, {place[0], from, place[2]});
        },
        1e-7);
  };
  const std::vector<std::pair<std::int64_t, std::int64_t>> none_and{{0, 0}, {2, 1}, {0, 0}};
  expect(ops::pad(x, none_and), {-1, -1, 0, 1, 2, 3, -1});
  expect(ops::pad(x, none_and, "constant", 2.5), {-1, -1, 0, 1, 2, 3, -1}, 2.5);
  expect(ops::pad(x, none_and, "edge"), {0, 0, 0, 1, 2, 3, 3});
  const std::vector<std::pair<std::int64_t, std::int64_t>> far{{0, 0}, {5, 9}, {0, 0}};
  // As numpy.pad has them, further than the axis is long, too.
  expect(ops::pad(x, far, "reflect"), {1, 2, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0});
  expect(ops::pad(x, far, "symmetric"), {3, 3, 2, 1, 0, 0, 1, 2, 3, 3, 2, 1, 0, 0, 1, 2, 3, 3});
  expect_elements(value(x, ops::pad(x, {{1, 1}}, "constant", -1), a), {5, 6, 4},
                  [&](const Place& place) {
                    const bool inside = place[0] > 0 && place[0] < 4 && place[1] > 0 &&
                                        place[1] < 5 && place[2] > 0 && place[2] < 3;
                    return inside ? at(a, {place[0] - 1, place[1] - 1, place[2] - 1}) : -1;
                  });
}

TEST_F(Moving, KeepsTrianglesOfMatrices) {
  const Shape shape{2, 4, 5};
  for (const char* dtype : {"float32", "int32", "bool"}) {
    const auto x = input(shape, dtype);
    const Tensor a = integers(shape, 0, 1);
    const std::int64_t k = pick(random(), -3, 4);
    expect_elements(value(x, ops::tril(x, k), a), shape, [&](const Place& place) {
      return place[2] - place[1] <= k ? at(a, place) : 0;
    });
    expect_elements(value(x, ops::triu(x, k), a), shape, [&](const Place& place) {
      return place[2] - place[1] >= k ? at(a, place) : 0;
    });
  }
}

}  // namespace
}  // namespace lamina
