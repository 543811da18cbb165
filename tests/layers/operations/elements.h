#pragma once
#include <gtest/gtest.h>
#include <lamina/lamina.h>

#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "tests/fresh_seed.h"
#include "tests/random_choice.h"

namespace lamina::test {

/// Of an element, outermost axis first.
using Place = std::vector<std::int64_t>;

/// Calls f(place) for each element of a shape, in order.
template <class F>
void for_each_place(const Shape& shape, const F& f) {
  Place place(shape.rank(), 0);
  for (std::int64_t i = 0; i < shape.size(); ++i) {
    f(place);
    for (std::size_t k = place.size(); k-- > 0;) {
      if (++place[k] < shape.dims()[k]) break;
      place[k] = 0;
    }
  }
}

/// The element of a float64 tensor at a place of a shape that it broadcasts to.
inline double at(const Tensor& x, const Place& place) {
  std::size_t offset = 0;
  const std::size_t skipped = place.size() - x.shape().rank();
  for (std::size_t k = 0; k < x.shape().rank(); ++k) {
    const auto size = static_cast<std::size_t>(x.shape().dims()[k]);
    offset = offset * size + (size == 1 ? 0 : static_cast<std::size_t>(place[k + skipped]));
  }
  return x.data<double>()[offset];
}

/// Holds a tensor against wanted(place) for each element.
template <class F>
void expect_elements(const Tensor& got, const Shape& shape, const F& wanted,
                     double tolerance = 1e-5) {
  ASSERT_EQ(got.shape(), shape);
  const Tensor wide = got.cast(DType::kFloat64);
  for_each_place(shape, [&](const Place& place) {
    const double expected = wanted(place), value = at(wide, place);
    // Of infinities there is no difference.
    if (value == expected || (std::isnan(expected) && std::isnan(value))) return;
    EXPECT_LE(std::abs(value - expected), tolerance * (1 + std::abs(expected)))
        << ::testing::PrintToString(place) << ": " << value << ", expected " << expected;
  });
}

/// Graphs of operations on placeholders, with fresh random values.
class OperationTest : public ::testing::Test {
 protected:
  OperationTest() : seed_(fresh_seed()), random_(seed_), trace_(__FILE__, __LINE__, text()) {
    clear_session();
  }

  /// Batch first.
  static SymbolicTensor input(const Shape& shape, const std::string& dtype = "float32") {
    Shape rest;
    for (std::size_t i = 1; i < shape.rank(); ++i) rest.push_back(shape.dims()[i]);
    return layers::Input({.shape = rest, .dtype = dtype});
  }
  Tensor numbers(const Shape& shape, double low = -2, double high = 2) {
    std::uniform_real_distribution<double> any(low, high);
    Tensor out = Tensor::empty(shape, DType::kFloat64);
    for (double& value : out.data<double>()) value = static_cast<float>(any(random_));
    return out;
  }
  Tensor integers(const Shape& shape, std::int64_t low, std::int64_t high) {
    Tensor out = Tensor::empty(shape, DType::kFloat64);
    for (double& value : out.data<double>()) {
      value = static_cast<double>(pick(random_, low, high));
    }
    return out;
  }
  /// What the graph gives, in one batch; inputs cast to its placeholders' dtypes.
  static Tensor value(const SymbolicTensors& inputs, const SymbolicTensor& y,
                      const std::vector<Tensor>& data) {
    const auto model = Functional::create(inputs, SymbolicTensors{y});
    std::vector<Tensor> cast;
    for (std::size_t i = 0; i < inputs.size(); ++i) cast.push_back(data[i].cast(inputs[i].dtype()));
    Tensor out = model->predict_on_batch(cast).at(0);
    EXPECT_EQ(out.dtype(), y.dtype());
    EXPECT_EQ(out.shape().rank(), y.shape().rank());
    return out;
  }
  static Tensor value(const SymbolicTensor& x, const SymbolicTensor& y, const Tensor& data) {
    return value(SymbolicTensors{x}, y, std::vector<Tensor>{data});
  }

  std::mt19937_64& random() { return random_; }

 private:
  [[nodiscard]] std::string text() const { return "LAMINA_TEST_SEED=" + std::to_string(seed_); }

  unsigned seed_;
  std::mt19937_64 random_;
  ::testing::ScopedTrace trace_;
};

}  // namespace lamina::test
