// Adaptive pooling: its bins by their definition.
#include <algorithm>
#include <cmath>

#include "tests/layers/expect_words.h"
#include "tests/layers/operations/elements.h"

namespace lamina {
namespace {

using test::at;
using test::expect_elements;
using test::for_each_place;
using test::pick;
using test::Place;

class AdaptivePooling : public test::OperationTest {
 protected:
  /// Over the bins of each spatial axis, whose first one is `first`: the largest, or the mean of
  /// means.
  static double expected(const Tensor& x, const Place& place, const Shape& out, std::size_t first,
                         std::size_t axes, bool max) {
    Shape sizes;
    std::vector<std::int64_t> begins;
    for (std::size_t i = first; i < first + axes; ++i) {
      const auto size = static_cast<double>(x.shape().dims()[i]),
                 count = static_cast<double>(out.dims()[i]);
      const auto index = static_cast<double>(place[i]);
      begins.push_back(static_cast<std::int64_t>(std::floor(index * size / count)));
      sizes.push_back(static_cast<std::int64_t>(std::ceil((index + 1) * size / count)) -
                      begins.back());
    }
    double largest = -1e30, sum = 0;
    for_each_place(sizes, [&](const Place& within) {
      Place from = place;
      for (std::size_t i = 0; i < axes; ++i) from[first + i] = begins[i] + within[i];
      largest = std::max(largest, at(x, from));
      sum += at(x, from);
    });
    return max ? largest : sum / static_cast<double>(sizes.size());
  }
  void expect_pooled(const SymbolicTensor& x, const SymbolicTensor& y, const Tensor& data,
                     std::size_t axes, bool channels_first, bool max) {
    Shape out = data.shape();
    for (std::size_t i = 1; i < out.rank(); ++i) {
      out[static_cast<std::int64_t>(i)] = y.shape().dims()[i];
    }
    expect_elements(value(x, y, data), out, [&](const Place& place) {
      return expected(data, place, out, channels_first ? 2 : 1, axes, max);
    });
  }
};

TEST_F(AdaptivePooling, HasTheBinsOfItsDefinitionForAnySizes) {
  for (int round = 0; round < 12; ++round) {
    const bool first = round % 2 == 1;
    const std::string format = first ? "channels_first" : "channels_last";
    const std::int64_t a = pick(random(), 1, 9), b = pick(random(), 1, 9), c = pick(random(), 1, 5);
    const std::int64_t p = pick(random(), 1, 8), q = pick(random(), 1, 8), r = pick(random(), 1, 4);
    SCOPED_TRACE(::testing::PrintToString(std::vector<std::int64_t>{first, a, b, c, p, q, r}));
    const auto shaped = [&](std::vector<std::int64_t> spatial) {
      spatial.insert(first ? spatial.begin() : spatial.end(), 3);
      spatial.insert(spatial.begin(), 2);
      return Shape(spatial);
    };
    const Shape line = shaped({a}), plane = shaped({a, b}), volume = shaped({a, b, c});
    const auto x = input(line), y = input(plane), z = input(volume);
    const Tensor u = numbers(line), v = numbers(plane), w = numbers(volume);
    expect_pooled(x, layers::AdaptiveAveragePooling1D({.output_size = p, .data_format = format})(x),
                  u, 1, first, false);
    expect_pooled(x, layers::AdaptiveMaxPooling1D({.output_size = p, .data_format = format})(x), u,
                  1, first, true);
    expect_pooled(
        y, layers::AdaptiveAveragePooling2D({.output_size = {p, q}, .data_format = format})(y), v,
        2, first, false);
    expect_pooled(y,
                  layers::AdaptiveMaxPooling2D({.output_size = {p, q}, .data_format = format})(y),
                  v, 2, first, true);
    expect_pooled(
        z, layers::AdaptiveAveragePooling3D({.output_size = {p, q, r}, .data_format = format})(z),
        w, 3, first, false);
    expect_pooled(
        z, layers::AdaptiveMaxPooling3D({.output_size = {p, q, r}, .data_format = format})(z), w, 3,
        first, true);
  }
}

TEST_F(AdaptivePooling, WhatIsInfiniteStaysInItsBins) {
  const auto x = input({1, 7, 1});
  Tensor data = numbers({1, 7, 1});
  data.data<double>()[3] = std::numeric_limits<double>::infinity();
  const auto y = layers::AdaptiveAveragePooling1D({.output_size = 3})(x);  // 0-2, 2-4, 4-6
  const Tensor got = value(x, y, data);
  EXPECT_TRUE(std::isfinite(got.data<float>()[0]));
  EXPECT_TRUE(std::isinf(got.data<float>()[1]));
  EXPECT_TRUE(std::isfinite(got.data<float>()[2]));
}

TEST_F(AdaptivePooling, AnySizeThatDataHasIsTaken) {
  const auto x = layers::Input({.shape = {kNone, kNone, 2}});
  const auto y = layers::AdaptiveMaxPooling2D({.output_size = {2, 3}})(x);
  EXPECT_EQ(y.shape().str(), "(None, 2, 3, 2)");
  const auto model = Functional::create(x, y);
  for (const Shape& shape : {Shape{1, 4, 5, 2}, Shape{2, 7, 3, 2}}) {
    const Tensor data = numbers(shape);
    const Shape out{shape[0], 2, 3, 2};
    expect_elements(model->predict_on_batch(data.cast(DType::kFloat32)), out,
                    [&](const Place& p) { return expected(data, p, out, 1, 2, true); });
  }
}

TEST_F(AdaptivePooling, OptionsThatKerasRefusesAreRefused) {
  test::expect_words([] { (void)layers::AdaptiveMaxPooling1D({}); }, "`output_size`");
  test::expect_words(
      [] {
        (void)layers::AdaptiveAveragePooling2D({.output_size = {2, -1}});
      },
      "`output_size`");
  test::expect_words(
      [] { (void)layers::AdaptiveMaxPooling2D({.output_size = 2, .data_format = "NHWC"}); },
      "NHWC");
}

}  // namespace
}  // namespace lamina
