// Operations of neural networks: normalizations and attention against their formulas, blocks of
// channels against their places.
#include <algorithm>
#include <optional>

#include "tests/layers/expect_words.h"
#include "tests/layers/operations/elements.h"

namespace lamina {
namespace {

using test::at;
using test::expect_elements;
using test::for_each_place;
using test::one_of;
using test::pick;
using test::Place;

class Normalizing : public test::OperationTest {
 protected:
  /// Mean and variance of what has these places along all but the axes.
  struct Statistics {
    double mean = 0, variance = 0;
  };
  static Statistics over(const Tensor& x, const std::vector<std::size_t>& axes, Place place) {
    Shape sizes;
    for (const std::size_t axis : axes) sizes.push_back(x.shape().dims()[axis]);
    Statistics out;
    double squares = 0;
    for_each_place(sizes, [&](const Place& rest) {
      for (std::size_t i = 0; i < axes.size(); ++i) place[axes[i]] = rest[i];
      out.mean += at(x, place);
      squares += at(x, place) * at(x, place);
    });
    const auto count = static_cast<double>(sizes.size());
    out.mean /= count;
    out.variance = squares / count - out.mean * out.mean;
    return out;
  }
  /// The element of a weight whose axes are these of a place.
  static double along(const Tensor& weight, const std::vector<std::size_t>& axes,
                      const Place& place) {
    Place of_weight;
    for (const std::size_t axis : axes) of_weight.push_back(place[axis]);
    return at(weight, of_weight);
  }
};

TEST_F(Normalizing, LayerNormalizationIsItsFormulaOverAnyAxes) {
  const Shape shape{3, 4, 2, 5};
  const auto x = input(shape);
  const Tensor a = numbers(shape);
  const double epsilon = 0.01;
  for (const std::vector<std::size_t>& axes :
       {std::vector<std::size_t>{3}, {1}, {1, 3}, {2, 3}, {1, 2, 3}}) {
    Shape sizes;
    std::vector<std::int64_t> named;
    for (const std::size_t axis : axes) {
      sizes.push_back(shape.dims()[axis]);
      named.push_back(static_cast<std::int64_t>(axis) - (pick(random(), 0, 1) == 1 ? 4 : 0));
    }
    // Weights have no batch: they are the first rows of placeholders.
    Shape row{3};
    for (const std::int64_t size : sizes) row.push_back(size);
    const auto gammas = input(row), betas = input(row);
    const Tensor gamma = numbers(row), beta = numbers(row);
    const auto first = [](const SymbolicTensor& rows) { return ops::get_item(rows, {0}); };
    const auto wanted = [&](const Place& place, bool scaled, bool moved) {
      const Statistics of = over(a, axes, place);
      Place weight{0};
      for (const std::size_t axis : axes) weight.push_back(place[axis]);
      double y = (at(a, place) - of.mean) / std::sqrt(of.variance + epsilon);
      if (scaled) y *= at(gamma, weight);
      return moved ? y + at(beta, weight) : y;
    };
    SCOPED_TRACE(::testing::PrintToString(axes));
    expect_elements(
        value(x, ops::layer_normalization(x, {}, {}, named, epsilon), a), shape,
        [&](const Place& place) { return wanted(place, false, false); }, 1e-4);
    expect_elements(
        value({x, gammas, betas},
              ops::layer_normalization(x, first(gammas), first(betas), named, epsilon),
              {a, gamma, beta}),
        shape, [&](const Place& place) { return wanted(place, true, true); }, 1e-4);
    expect_elements(
        value({x, betas}, ops::layer_normalization(x, {}, first(betas), named, epsilon), {a, beta}),
        shape, [&](const Place& place) { return wanted(place, false, true); }, 1e-4);
  }
}

TEST_F(Normalizing, RmsNormalizationDividesByTheRootOfTheMeanSquare) {
  const Shape shape{3, 4, 5};
  const auto x = input(shape), scales = input({3, 5});
  const Tensor a = numbers(shape), scale = numbers({3, 5});
  const auto root = [&](const Place& place, const std::vector<std::size_t>& axes) {
    const Statistics of = over(a, axes, place);
    return std::sqrt(of.variance + of.mean * of.mean + 1e-7);
  };
  expect_elements(value(x, ops::rms_normalization(x), a), shape,
                  [&](const Place& place) { return at(a, place) / root(place, {2}); });
  expect_elements(value(x, ops::rms_normalization(x, {}, {1, -1}), a), shape,
                  [&](const Place& place) {
                    return at(a, place) / root(place, {1, 2});
                  });
  const auto y = ops::rms_normalization(x, ops::expand_dims(scales, 1));
  expect_elements(value({x, scales}, y, {a, scale}), shape, [&](const Place& place) {
    return at(a, place) / root(place, {2}) * at(scale, {place[0], place[2]});
  });
}

TEST_F(Normalizing, BatchNormalizationTakesTheStatisticsThatItIsGiven) {
  const Shape shape{3, 4, 5};
  const auto x = input(shape);
  const Tensor a = numbers(shape);
  for (const std::int64_t axis : {1, 2, -1}) {
    const std::size_t index = shape.index(axis);
    const Shape row{3, shape[axis]};
    SymbolicTensors rows;
    std::vector<Tensor> data;
    for (int i = 0; i < 4; ++i) {
      rows.push_back(input(row));
      data.push_back(numbers(row, i == 1 ? 0.2 : -2));  // the variance
    }
    SymbolicTensors vectors;
    for (const SymbolicTensor& each : rows) vectors.push_back(ops::get_item(each, {0}));
    const auto wanted = [&](const Place& place, bool scaled) {
      const auto of = [&](std::size_t i) { return at(data[i], {0, place[index]}); };
      const double y = (at(a, place) - of(0)) / std::sqrt(of(1) + 1e-3);
      return scaled ? y * of(3) + of(2) : y;
    };
    expect_elements(
        value({x, rows[0], rows[1]}, ops::batch_normalization(x, vectors[0], vectors[1], axis),
              {a, data[0], data[1]}),
        shape, [&](const Place& place) { return wanted(place, false); }, 1e-4);
    expect_elements(
        value({x, rows[0], rows[1], rows[2], rows[3]},
              ops::batch_normalization(x, vectors[0], vectors[1], axis, vectors[2], vectors[3]),
              {a, data[0], data[1], data[2], data[3]}),
        shape, [&](const Place& place) { return wanted(place, true); }, 1e-4);
  }
}

TEST_F(Normalizing, HalvesAreNormalizedAsWideOnesAndRoundedOnce) {
  const Shape shape{4, 7};
  const auto x = input(shape, "float16");
  const Tensor a = numbers(shape).cast(DType::kFloat16);
  const Tensor wide = a.cast(DType::kFloat64);
  const auto y = ops::rms_normalization(x);
  EXPECT_EQ(y.dtype(), DType::kFloat16);
  expect_elements(
      value(x, y, wide), shape,
      [&](const Place& place) {
        const Statistics of = over(wide, {1}, place);
        return at(wide, place) / std::sqrt(of.variance + of.mean * of.mean + 1e-7);
      },
      0x1p-10);
}

TEST_F(Normalizing, WhatDoesNotFitIsRefusedInKerasWords) {
  const auto x = input({3, 4, 5}), n = input({3, 4}, "int32"), row = input({3, 4});
  test::expect_words([&] { (void)ops::layer_normalization(n); }, "a tensor of integers");
  test::expect_words([&] { (void)ops::layer_normalization(x, row); }, "does not broadcast to `x`");
  test::expect_words([&] { (void)ops::rms_normalization(x, {}, 3); }, "axis 3 is out of bounds");
  test::expect_words([&] { (void)ops::batch_normalization(x, row, row, -1); },
                     "Arguments `mean` must be a vector of length `x.shape[axis]`");
  test::expect_words([&] { (void)ops::dot_product_attention(x, x, x); }, "only supports 4D inputs");
  const auto heads = input({3, 4, 3, 2}), pairs = input({3, 4, 2, 2});
  test::expect_words([&] { (void)ops::dot_product_attention(heads, pairs, pairs); },
                     "must be a multiple of key/value heads, but got 3 vs 2");
  test::expect_words([&] { (void)ops::dot_product_attention(heads, heads, pairs); },
                     "The key and the value are alike");
  test::expect_words([&] { (void)ops::dot_product_attention(heads, heads, heads, x); },
                     "Expected `bias` to have a shape");
  const auto by_batch = input({3, 4, 4}, "bool");
  test::expect_words([&] { (void)ops::dot_product_attention(heads, heads, heads, {}, by_batch); },
                     "Expected `mask` to have a shape");
  test::expect_words([&] { (void)ops::depth_to_space(heads, 2); },
                     "The number of channels (2) must be divisible by block_size**2 (4)");
  test::expect_words([&] { (void)ops::space_to_depth(heads, 2); }, "Width (3) must be divisible");
  test::expect_words([&] { (void)ops::space_to_depth(heads, 1); }, "must be at least 2");
  test::expect_words([&] { (void)ops::space_to_depth(x, 2); }, "requires a 4D input tensor");
  test::expect_words([&] { (void)ops::depth_to_space(heads, 2, "NCHW"); }, "NCHW");
}

/// softmax(scores) values by loops.
class Attending : public Normalizing {
 protected:
  static constexpr std::int64_t kBatch = 2, kTargets = 3, kSources = 4, kSize = 5;

  void expect_attention(std::int64_t heads, std::int64_t groups, bool biased, bool masked,
                        bool causal, std::optional<double> scale) {
    const Shape queries{kBatch, kTargets, heads, kSize}, sources{kBatch, kSources, groups, kSize};
    const Shape of_scores{kBatch, pick(random(), 0, 1) == 1 ? heads : 1, kTargets, kSources};
    const auto q = input(queries), k = input(sources), v = input(sources);
    SymbolicTensors inputs{q, k, v};
    std::vector<Tensor> data{numbers(queries), numbers(sources), numbers(sources)};
    SymbolicTensor bias, mask;
    if (biased) {
      inputs.push_back(bias = input(of_scores));
      data.push_back(numbers(of_scores));
    }
    if (masked) {
      inputs.push_back(mask = input(of_scores, "bool"));
      data.push_back(integers(of_scores, 0, 1));
    }
    const Tensor& masks = data.back();
    const double factor = scale.value_or(1 / std::sqrt(static_cast<double>(kSize)));
    const auto seen = [&](std::int64_t n, std::int64_t h, std::int64_t t, std::int64_t s) {
      return (!causal || s <= t) &&
             (!masked || at(masks, {n, of_scores[1] == 1 ? 0 : h, t, s}) > 0);
    };
    const auto wanted = [&](const Place& place) {
      const std::int64_t n = place[0], t = place[1], h = place[2];
      const std::int64_t group = h / (heads / groups);
      std::vector<double> weights;
      bool any = false;
      for (std::int64_t s = 0; s < kSources; ++s) any = any || seen(n, h, t, s);
      double sum = 0;
      for (std::int64_t s = 0; s < kSources; ++s) {
        double score = 0;
        for (std::int64_t i = 0; i < kSize; ++i) {
          score += at(data[0], {n, t, h, i}) * at(data[1], {n, s, group, i});
        }
        score *= factor;
        if (biased) score += at(data[3], {n, of_scores[1] == 1 ? 0 : h, t, s});
        // Where everything is masked all sources are alike.
        weights.push_back(!any ? 1 : seen(n, h, t, s) ? std::exp(score) : 0);
        sum += weights.back();
      }
      double y = 0;
      for (std::int64_t s = 0; s < kSources; ++s) {
        y += weights[static_cast<std::size_t>(s)] / sum * at(data[2], {n, s, group, place[3]});
      }
      return y;
    };
    const auto y = ops::dot_product_attention(q, k, v, bias, mask, scale, causal);
    expect_elements(value(inputs, y, data), queries, wanted, 1e-4);
  }
};

TEST_F(Attending, IsItsFormulaWithAnyOfItsArguments) {
  for (int round = 0; round < 24; ++round) {
    const std::int64_t groups = pick(random(), 1, 3), heads = groups * pick(random(), 1, 3);
    const auto coin = [&] { return pick(random(), 0, 1) == 1; };
    const bool biased = coin(), masked = coin(), causal = coin();
    const std::optional<double> scale = coin() ? std::optional(0.7) : std::nullopt;
    SCOPED_TRACE(::testing::PrintToString(
        std::vector<std::int64_t>{heads, groups, biased, masked, causal, scale ? 1 : 0}));
    expect_attention(heads, groups, biased, masked, causal, scale);
  }
}

TEST_F(Normalizing, BlocksOfChannelsBecomeRowsAndColumnsAndBack) {
  const std::int64_t n = 2, rows = 3, columns = 2, channels = 2;
  for (const std::int64_t b : {2, 3}) {
    const Shape deep{n, rows, columns, channels * b * b}, wide{n, rows * b, columns * b, channels};
    const Tensor a = integers(deep, -50, 50), c = integers(wide, -50, 50);
    const auto x = input(deep, "int32"), z = input(wide, "int32");
    const auto in_block = [b](const Place& p, std::int64_t size) {
      return Place{p[0], p[1] / b, p[2] / b, (p[1] % b * b + p[2] % b) * size + p[3]};
    };
    expect_elements(value(x, ops::depth_to_space(x, b), a), wide,
                    [&](const Place& place) { return at(a, in_block(place, channels)); });
    expect_elements(value(z, ops::space_to_depth(z, b), c), deep, [&](const Place& p) {
      const std::int64_t block = p[3] / channels;
      return at(c, {p[0], p[1] * b + block / b, p[2] * b + block % b, p[3] % channels});
    });
    // With the channels first they are counted before the places in the block.
    const Shape first{n, channels * b * b, rows, columns},
        planes{n, channels, rows * b, columns * b};
    const Tensor d = integers(first, -50, 50);
    const auto y = input(first, "int32");
    const auto spread = ops::depth_to_space(y, b, "channels_first");
    expect_elements(value(y, spread, d), planes, [&](const Place& p) {
      return at(d, {p[0], p[1] * b * b + p[2] % b * b + p[3] % b, p[2] / b, p[3] / b});
    });
    const auto again = ops::space_to_depth(spread, b, "channels_first");
    expect_elements(value(y, again, d), first, [&](const Place& place) { return at(d, place); });
  }
}

}  // namespace
}  // namespace lamina
