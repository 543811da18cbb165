// Operations that reduce, move and join: values against loops, and shapes.
#include <functional>
#include <numeric>
#include <optional>

#include "tests/layers/operations/elements.h"

namespace lamina {
namespace {

using ops::Slice;
using test::at;
using test::expect_elements;
using test::for_each_place;
using test::one_of;
using test::pick;
using test::Place;

class Shapes : public test::OperationTest {};

/// The elements that one of the result is made of.
using Fold = std::function<double(const std::vector<double>&)>;

struct Reduction {
  const char* name;
  std::function<SymbolicTensor(const SymbolicTensor&, const ops::ReducedAxes&, bool)> make;
  Fold wanted;
};

double mean_of(const std::vector<double>& x) {
  return std::accumulate(x.begin(), x.end(), 0.0) / static_cast<double>(x.size());
}

double spread_of(const std::vector<double>& x) {
  double sum = 0;
  for (const double each : x) sum += std::pow(each - mean_of(x), 2);
  return std::sqrt(sum / static_cast<double>(x.size()));
}

/// The shape with size 1 in place of the axes; the batch is the rest.
std::vector<std::int64_t> with_ones(const Shape& shape, const ops::ReducedAxes& axes) {
  std::vector<std::int64_t> dims = shape.dims();
  const auto rank = static_cast<std::int64_t>(dims.size());
  for (std::int64_t i = 0; i < rank; ++i) {
    const bool gone = !axes || std::any_of(axes->values.begin(), axes->values.end(),
                                           [&](auto axis) { return (axis + rank) % rank == i; });
    if (gone) dims[static_cast<std::size_t>(i)] = 1;
  }
  return dims;
}

const std::vector<Reduction> kReductions{
    {"mean", ops::mean, mean_of},
    {"sum", ops::sum, [](const auto& x) { return std::accumulate(x.begin(), x.end(), 0.0); }},
    {"max", ops::max, [](const auto& x) { return *std::max_element(x.begin(), x.end()); }},
    {"min", ops::min, [](const auto& x) { return *std::min_element(x.begin(), x.end()); }},
    {"var", ops::var,
     [](const auto& x) {
       std::vector<double> squares;
       for (const double each : x) squares.push_back(std::pow(each - mean_of(x), 2));
       return mean_of(squares);
     }},
    {"any", ops::any,
     [](const auto& x) {
       return std::any_of(x.begin(), x.end(), [](double v) { return v != 0; });
     }},
    {"all", ops::all,
     [](const auto& x) {
       return std::all_of(x.begin(), x.end(), [](double v) { return v != 0; });
     }},
    {"std", ops::std, spread_of},
    {"prod", ops::prod,
     [](const auto& x) { return std::accumulate(x.begin(), x.end(), 1.0, std::multiplies<>()); }},
    {"amax", ops::amax, [](const auto& x) { return *std::max_element(x.begin(), x.end()); }},
    {"amin", ops::amin, [](const auto& x) { return *std::min_element(x.begin(), x.end()); }},
    {"ptp", ops::ptp,
     [](const auto& x) {
       const auto ends = std::minmax_element(x.begin(), x.end());
       return *ends.second - *ends.first;
     }},
    {"logsumexp", ops::logsumexp,
     [](const auto& x) {
       double sum = 0;
       for (const double each : x) sum += std::exp(each);
       return std::log(sum);
     }},
    {"norm",
     [](const SymbolicTensor& x, const ops::ReducedAxes& axis, bool keepdims) {
       return ops::norm(x, {}, axis, keepdims);
     },
     [](const auto& x) {
       return std::sqrt(std::inner_product(x.begin(), x.end(), x.begin(), 0.0));
     }},
    {"count_nonzero",
     [](const SymbolicTensor& x, const ops::ReducedAxes& axis, bool keepdims) {
       const SymbolicTensor y = ops::count_nonzero(x, axis);
       return keepdims ? ops::reshape(y, with_ones(x.shape(), axis)) : y;
     },
     [](const auto& x) {
       return static_cast<double>(x.size()) -
              static_cast<double>(std::count(x.begin(), x.end(), 0.0));
     }}};

/// By a loop over all elements.
void expect_reduced(const Tensor& got, const Tensor& x, const std::vector<bool>& gone,
                    bool keepdims, const Fold& wanted) {
  Shape shape, kept;
  for (std::size_t i = 0; i < gone.size(); ++i) {
    kept.push_back(gone[i] ? 1 : x.shape().dims()[i]);
    if (!gone[i] || keepdims) shape.push_back(kept.dims()[i]);
  }
  ASSERT_EQ(got.shape(), shape);
  expect_elements(got.reshape(kept), kept, [&](const Place& place) {
    std::vector<double> parts;
    for_each_place(x.shape(), [&](const Place& from) {
      bool same = true;
      for (std::size_t i = 0; i < gone.size(); ++i) same = same && (gone[i] || from[i] == place[i]);
      if (same) parts.push_back(at(x, from));
    });
    return wanted(parts);
  });
}

TEST_F(Shapes, ReductionsTakeAnyAxes) {
  const Shape shape{3, 2, 4, 2};
  for (const Reduction& each : kReductions) {
    SCOPED_TRACE(each.name);
    for (int round = 0; round < 4; ++round) {
      layers::Axes axes;
      std::vector<bool> gone(4, false);
      for (std::int64_t i = 0; i < 4; ++i) {
        if (pick(random(), 0, 1) == 0) continue;
        gone[static_cast<std::size_t>(i)] = true;
        axes.values.push_back(pick(random(), 0, 1) == 0 ? i : i - 4);
      }
      const bool keepdims = pick(random(), 0, 1) == 1;
      const auto x = input(shape);
      const Tensor a = integers(shape, -1, 2);
      expect_reduced(value(x, each.make(x, axes, keepdims), a), a, gone, keepdims, each.wanted);
      expect_reduced(value(x, each.make(x, {}, keepdims), a), a, {true, true, true, true}, keepdims,
                     each.wanted);
    }
  }
}

TEST_F(Shapes, ReductionsOfIntegersHaveKerasDTypes) {
  const Shape shape{3, 4};
  for (const char* dtype : {"bool", "int8", "uint8", "int32"}) {
    SCOPED_TRACE(dtype);
    const auto x = input(shape, dtype);
    const Tensor a = integers(shape, 0, dtype[0] == 'b' ? 1 : 100);
    const auto expect = [&](const SymbolicTensor& y, const std::string& wanted, const Fold& fold) {
      EXPECT_EQ(dtype_name(y.dtype()), wanted);
      expect_reduced(value(x, y, a), a, {false, true}, false, fold);
    };
    expect(ops::sum(x, 1), dtype[0] == 'u' ? "uint32" : "int32", kReductions[1].wanted);
    expect(ops::mean(x, 1), "float32", kReductions[0].wanted);
    expect(ops::max(x, -1), dtype, kReductions[2].wanted);
    expect(ops::min(x, -1), dtype, kReductions[3].wanted);
  }
}

TEST_F(Shapes, SoftmaxIsOverItsAxes) {
  const Shape shape{3, 2, 4};
  const auto x = input(shape);
  const Tensor a = numbers(shape);
  for (const auto& axes : {layers::Axes{-1}, layers::Axes{1}, layers::Axes{1, 2}}) {
    const auto wanted = [&](const Place& place) {
      double sum = 0;
      for_each_place(shape, [&](const Place& from) {
        bool same = true;
        for (std::int64_t i = 0; i < 3; ++i) {
          const bool over = std::any_of(axes.values.begin(), axes.values.end(),
                                        [i](auto axis) { return (axis + 3) % 3 == i; });
          same = same &&
                 (over || from[static_cast<std::size_t>(i)] == place[static_cast<std::size_t>(i)]);
        }
        if (same) sum += std::exp(at(a, from));
      });
      return std::exp(at(a, place)) / sum;
    };
    expect_elements(value(x, ops::softmax(x, axes), a), shape, wanted);
    expect_elements(value(x, ops::log_softmax(x, axes), a), shape,
                    [&](const Place& place) { return std::log(wanted(place)); });
  }
}

TEST_F(Shapes, MovesElementsOfAnyDType) {
  const Shape shape{3, 2, 1, 4};
  for (const char* dtype : {"float32", "bfloat16", "int32", "bool"}) {
    SCOPED_TRACE(dtype);
    const auto x = input(shape, dtype);
    const Tensor a = integers(shape, 0, dtype[0] == 'b' && dtype[1] == 'o' ? 1 : 9);
    const auto same = [&](const SymbolicTensor& y, const Shape& wanted) {
      EXPECT_TRUE(bitwise_equal(value(x, y, a), a.cast(x.dtype()).reshape(wanted)));
    };
    same(ops::reshape(x, {-1, 4}), {6, 4});
    same(ops::reshape(x, {-1, 2, 2, 2}), {3, 2, 2, 2});
    same(ops::reshape(x, {4, -1}), {4, 6});
    same(ops::squeeze(x), {3, 2, 4});
    same(ops::squeeze(x, -2), {3, 2, 4});
    same(ops::expand_dims(x, {0, -1}), {1, 3, 2, 1, 4, 1});
    same(ops::expand_dims(x, 1), {3, 1, 2, 1, 4});
    expect_elements(value(x, ops::transpose(x, std::vector<std::int64_t>{0, -1, 2, 1}), a),
                    {3, 4, 1, 2}, [&](const Place& place) {
                      return at(a, {place[0], place[3], place[2], place[1]});
                    });
    expect_elements(value(x, ops::transpose(x), a), {4, 1, 2, 3}, [&](const Place& place) {
      return at(a, {place[3], place[2], place[1], place[0]});
    });
    expect_elements(value(x, ops::swapaxes(x, 1, -1), a), {3, 4, 1, 2}, [&](const Place& place) {
      return at(a, {place[0], place[3], place[2], place[1]});
    });
  }
  const auto x = input({2, 3});
  EXPECT_EQ(ops::reshape(x, {-1, 3, 1}).shape(), (Shape{kNone, 3, 1}));
  EXPECT_EQ(ops::squeeze(ops::expand_dims(x, 1)).shape(), (Shape{kNone, 3}));
}

TEST_F(Shapes, JoinsWhatIsAlike) {
  const auto x = input({3, 2, 4}), y = input({3, 5, 4}, "int32");
  const Tensor a = numbers({3, 2, 4}), b = integers({3, 5, 4}, -9, 9);
  const SymbolicTensor joined = ops::concatenate({x, y, x}, 1);
  EXPECT_EQ(joined.dtype(), DType::kFloat32);
  expect_elements(value({x, y}, joined, {a, b}), {3, 9, 4}, [&](const Place& place) {
    if (place[1] < 2) return at(a, place);
    return place[1] < 7 ? at(b, {place[0], place[1] - 2, place[2]})
                        : at(a, {place[0], place[1] - 7, place[2]});
  });
  const SymbolicTensor beside = ops::hstack({x, y});
  EXPECT_EQ(beside.dtype(), DType::kFloat32);
  expect_elements(value({x, y}, beside, {a, b}), {3, 7, 4}, [&](const Place& place) {
    return place[1] < 2 ? at(a, place) : at(b, {place[0], place[1] - 2, place[2]});
  });
  const auto z = input({3, 2, 4});
  const Tensor c = numbers({3, 2, 4});
  expect_elements(value({x, z}, ops::vstack({x, z}), {a, c}), {6, 2, 4}, [&](const Place& place) {
    return place[0] < 3 ? at(a, place) : at(c, {place[0] - 3, place[1], place[2]});
  });
  for (const std::int64_t axis : {1, 3, -1, -3}) {
    const std::size_t where = static_cast<std::size_t>(axis < 0 ? axis + 4 : axis);
    Shape shape{3, 2, 4};
    std::vector<std::int64_t> dims = shape.dims();
    dims.insert(dims.begin() + static_cast<std::ptrdiff_t>(where), 2);
    expect_elements(value({x, z}, ops::stack({x, z}, axis), {a, c}), Shape(dims), [&](Place place) {
      const bool first = place[where] == 0;
      place.erase(place.begin() + static_cast<std::ptrdiff_t>(where));
      return at(first ? a : c, place);
    });
  }
}

/// The indices that a slice has of so many, counted one by one.
std::vector<std::int64_t> indices_of(const Slice& slice, std::int64_t size) {
  const auto from_front = [size](std::int64_t i) { return i < 0 ? i + size : i; };
  const std::int64_t step = slice.step.value_or(1);
  std::vector<std::int64_t> out;
  if (step < 0) {
    const std::int64_t start = from_front(slice.start.value_or(size - 1));
    const std::int64_t stop = slice.stop ? from_front(*slice.stop) : -1;
    for (std::int64_t i = std::min(start, size - 1); i > std::max<std::int64_t>(stop, -1);
         i += step) {
      out.push_back(i);
    }
    return out;
  }
  const std::int64_t start = from_front(slice.start.value_or(0)),
                     stop = from_front(slice.stop.value_or(size));
  for (std::int64_t i = std::max<std::int64_t>(start, 0); i < std::min(stop, size); i += step) {
    out.push_back(i);
  }
  return out;
}

TEST_F(Shapes, GivesPartsByRandomSlices) {
  const Shape shape{3, 7, 4};
  for (int round = 0; round < 24; ++round) {
    const auto bound = [&](std::int64_t size) -> std::optional<std::int64_t> {
      if (pick(random(), 0, 2) == 0) return std::nullopt;
      return pick(random(), -size - 1, size + 1);
    };
    const auto step = [&] {
      const std::int64_t way = pick(random(), 0, 1) == 0 ? 1 : -1;
      return pick(random(), 0, 3) == 0 ? std::nullopt : std::optional(way * pick(random(), 1, 4));
    };
    Slice second{bound(7), bound(7), step()};
    while (indices_of(second, 7).empty()) second = {bound(7), bound(7), step()};
    const std::int64_t last = pick(random(), -4, 3);
    const auto x = input(shape);
    const Tensor a = numbers(shape);
    const std::vector<std::int64_t> taken = indices_of(second, 7);
    const auto wanted = [&](const Place& place) {
      return at(a, {place[0], taken[static_cast<std::size_t>(place[1])], (last + 4) % 4});
    };
    const Shape out{3, static_cast<std::int64_t>(taken.size())};
    expect_elements(value(x, ops::get_item(x, {Slice{}, second, last}), a), out, wanted);
    expect_elements(
        value(x, ops::get_item(ops::get_item(x, {ops::Ellipsis{}, last}), {Slice{}, second}), a),
        out, wanted);
  }
}

TEST_F(Shapes, GivesPartsByIndicesAndNewAxes) {
  const Shape shape{3, 5, 4};
  const auto x = input(shape);
  const Tensor a = numbers(shape);
  expect_elements(value(x, ops::get_item(x, {1}), a), {5, 4}, [&](const Place& place) {
    return at(a, {1, place[0], place[1]});
  });
  expect_elements(value(x, ops::get_item(x, {Slice{}, ops::NewAxis{}, -1}), a), {3, 1, 4},
                  [&](const Place& place) {
                    return at(a, {place[0], 4, place[2]});
                  });
  expect_elements(value(x, ops::take(x, {4, 0, -1}, 1), a), {3, 3, 4}, [&](const Place& place) {
    return at(a, {place[0], std::vector<std::int64_t>{4, 0, 4}[static_cast<std::size_t>(place[1])],
                  place[2]});
  });
  expect_elements(value(x, ops::take(x, 2, -1), a), {3, 5}, [&](const Place& place) {
    return at(a, {place[0], place[1], 2});
  });
  EXPECT_EQ(ops::get_item(x, {Slice{}, Slice{.start = 1, .stop = 3}}).shape(),
            (Shape{kNone, 2, 4}));
}

TEST_F(Shapes, MultipliesMatricesAsNumpy) {
  const std::vector<std::array<Shape, 2>> cases{{Shape{3, 2, 4}, Shape{3, 4, 5}},
                                                {Shape{3, 6, 2, 4}, Shape{3, 1, 4, 5}},
                                                {Shape{3, 1, 2, 4}, Shape{3, 6, 4, 5}},
                                                {Shape{3, 2, 4}, Shape{3, 6, 4, 2}}};
  for (const auto& [first, second] : cases) {
    SCOPED_TRACE(first.str() + second.str());
    // Leading axes broadcast from behind: three samples are so for both, or for neither.
    const bool aligned = first.rank() == second.rank();
    const Shape left = aligned ? first : Shape{6, first[1], first[2]};
    const auto x = input(left), y = input(aligned ? second : Shape{6, 6, second[2], second[3]});
    const Shape right = aligned ? second : Shape{6, 6, second[2], second[3]};
    const Tensor a = numbers(left), b = numbers(right);
    const Tensor got = value({x, y}, ops::matmul(x, y), {a, b});
    expect_elements(got, got.shape(), [&](Place place) {
      const std::int64_t row = place[place.size() - 2], column = place.back();
      double sum = 0;
      for (std::int64_t k = 0; k < left[-1]; ++k) {
        Place p = place, q = place;
        p[p.size() - 2] = row, p.back() = k;
        q[q.size() - 2] = k, q.back() = column;
        sum += at(a, p) * at(b, q);
      }
      return sum;
    });
  }
}

TEST_F(Shapes, MultipliesByOneMatrixAndByAVector) {
  const auto x = input({3, 2, 4});
  const Tensor a = numbers({3, 2, 4});
  const SymbolicTensor of_first = ops::get_item(x, {0});       // (2, 4)
  const SymbolicTensor matrix = ops::transpose(of_first);      // (4, 2)
  const SymbolicTensor vector = ops::get_item(of_first, {1});  // (4)
  expect_elements(value(x, ops::matmul(x, matrix), a), {3, 2, 2}, [&](const Place& place) {
    double sum = 0;
    for (std::int64_t k = 0; k < 4; ++k)
      sum += at(a, {place[0], place[1], k}) * at(a, {0, place[2], k});
    return sum;
  });
  expect_elements(value(x, ops::matmul(x, vector), a), {3, 2}, [&](const Place& place) {
    double sum = 0;
    for (std::int64_t k = 0; k < 4; ++k) sum += at(a, {place[0], place[1], k}) * at(a, {0, 1, k});
    return sum;
  });
  EXPECT_EQ(ops::matmul(vector, matrix).shape(), (Shape{2}));
  EXPECT_EQ(ops::matmul(vector, vector).shape(), Shape{});
}

TEST_F(Shapes, CastsAsThePlaceholderIsToBe) {
  const auto x = input({3, 4});
  const Tensor a = numbers({3, 4});
  for (const DType dtype : {DType::kFloat16, DType::kBFloat16, DType::kFloat64, DType::kInt32}) {
    const SymbolicTensor y = ops::cast(x, dtype);
    EXPECT_EQ(y.dtype(), dtype);
    EXPECT_TRUE(bitwise_equal(value(x, y, a), a.cast(DType::kFloat32).cast(dtype)));
  }
}

}  // namespace
}  // namespace lamina
