// RMS, group and unit normalisation beside what keras_cases.json holds them to.
#include <lamina/error.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "layers/config/registry.h"
#include "tests/fakes/captured_warnings.h"
#include "tests/layers/expect_words.h"
#include "tests/layers/mask_scene.h"

using namespace lamina;
using namespace lamina::test;

namespace {

using Normalizations = MaskScene;

}  // namespace

TEST_F(Normalizations, GroupsAreOfChannelsAndAllTheirPlaces) {
  for (const std::int64_t axis : {1, 2, -1, -2}) {
    for (const std::int64_t groups : {1, 2, 3, 6, -1}) {
      SCOPED_TRACE("axis " + std::to_string(axis) + ", groups " + std::to_string(groups));
      const Shape shape{2, 6, 6, 6};
      const SymbolicTensor x = input(shape);
      const LayerRef layer = L::GroupNormalization({.groups = groups, .axis = axis});
      const auto model = Functional::create(x, layer(x));
      randomize(*model);
      const Tensor gamma = layer->own_variables()[0]->value(),
                   beta = layer->own_variables()[1]->value();
      const Tensor given = normal(shape), y = model->predict(given);
      const std::int64_t count = groups == -1 ? 6 : groups, channels = 6 / count;
      const auto channel_of = [&](std::int64_t i, std::int64_t j, std::int64_t k) {
        return axis == 1 ? i : (axis == -1 ? k : j);
      };
      const auto each = [&](std::int64_t b, std::int64_t group, const auto& visit) {
        for (std::int64_t i = 0; i < 6; ++i) {
          for (std::int64_t j = 0; j < 6; ++j) {
            for (std::int64_t k = 0; k < 6; ++k) {
              const std::int64_t channel = channel_of(i, j, k);
              if (channel / channels != group) continue;
              visit(at(given, {b, i, j, k}), at(y, {b, i, j, k}), channel);
            }
          }
        }
      };
      for (std::int64_t b = 0; b < 2; ++b) {
        for (std::int64_t group = 0; group < count; ++group) {
          double number = 0, sum = 0, squares = 0;
          each(b, group, [&](double value, double, std::int64_t) {
            ++number;
            sum += value;
            squares += value * value;
          });
          const double mean = sum / number, variance = squares / number - mean * mean;
          each(b, group, [&](double value, double found, std::int64_t channel) {
            const double unit = (value - mean) / std::sqrt(variance + 1e-3);
            ASSERT_NEAR(found, unit * at(gamma, {channel}) + at(beta, {channel}), 1e-11);
          });
        }
      }
    }
  }
}

TEST_F(Normalizations, GroupsAreCheckedInKerasWords) {
  const auto build = [](std::int64_t groups, Shape shape, std::int64_t axis = -1) {
    return [=] {
      L::GroupNormalization({.groups = groups, .axis = axis, .name = "g"})->build({shape});
    };
  };
  const std::string layer = "Layer 'g' (GroupNormalization): ";
  expect_words(build(0, {2, 4}), layer + "Received an invalid value for argument `groups`");
  expect_words(build(-2, {2, 4}), "Received: groups=-2");
  expect_words(build(2, {2, kNone}),
               layer + "Axis -1 of input tensor should have a defined dimension");
  expect_words(build(8, {2, 4}),
               layer + "Number of groups (8) cannot be more than the number of channels (4).");
  expect_words(build(3, {2, 4}),
               layer + "Number of groups (3) must be a multiple of the number of channels (4).");
  expect_words(build(2, {2, 4}, 2), "out of bounds");
  expect_words(build(2, {2, 4}, 0), layer + "The batch as `axis`");
  const LayerRef built = L::GroupNormalization({.groups = -1});
  EXPECT_EQ(layers::layer_to_config(*built)["groups"], -1);
  built->build({{2, 5, 4}});
  EXPECT_EQ(layers::layer_to_config(*built)["groups"], 4);
  expect_words([&] { (void)built(input({2, 5, 3})); }, "axis -1 of input shape to have value 4");
}

TEST_F(Normalizations, RmsIsOfTheMeanSquareAndItsScaleOfTheLastAxes) {
  const Tensor given = normal({2, 3, 3});
  for (const layers::Axes& axes :
       {layers::Axes{-1}, layers::Axes{1, 2}, layers::Axes{1}, layers::Axes{-1, 1}}) {
    const SymbolicTensor x = input({2, 3, 3});
    const LayerRef layer = L::RMSNormalization({.axis = axes, .epsilon = 0.25});
    const auto model = Functional::create(x, layer(x));
    randomize(*model);
    const Tensor y = model->predict(given), scale = layer->own_variables()[0]->value();
    const bool rows = axes.values.size() == 2 || axes.values[0] == 1;
    const bool columns = axes.values.size() == 2 || axes.values[0] == -1;
    for (std::int64_t b = 0; b < 2; ++b) {
      for (std::int64_t i = 0; i < 3; ++i) {
        for (std::int64_t j = 0; j < 3; ++j) {
          double squares = 0, number = 0;
          for (std::int64_t r = rows ? 0 : i; r <= (rows ? 2 : i); ++r) {
            for (std::int64_t c = columns ? 0 : j; c <= (columns ? 2 : j); ++c) {
              squares += at(given, {b, r, c}) * at(given, {b, r, c});
              ++number;
            }
          }
          const double factor = scale.shape().rank() == 2 ? at(scale, {i, j}) : at(scale, {j});
          ASSERT_NEAR(at(y, {b, i, j}),
                      factor * at(given, {b, i, j}) / std::sqrt(squares / number + 0.25), 1e-12);
        }
      }
    }
  }
  const SymbolicTensor x = input({2, 3, 4});
  const auto wide = Functional::create(x, L::RMSNormalization({.axis = 1, .name = "r"})(x));
  expect_words(
      [&] {
        (void)wide->predict(normal({2, 3, 4}));
      },
      "Layer 'r' (RMSNormalization): `scale` of shape (3,) does not broadcast");
  expect_words([&] { (void)L::RMSNormalization({.axis = {1, -2}})(x); }, "twice");
  expect_words([&] { (void)L::RMSNormalization({.axis = 3})(x); }, "out of bounds");
  expect_words([&] { (void)L::RMSNormalization({.axis = layers::Axes{}}); }, "at least one axis");
}

TEST_F(Normalizations, UnitsHaveLengthOneAndNothingStaysNothing) {
  const SymbolicTensor x = input({2, 3, 4});
  const auto model = Functional::create(x, L::UnitNormalization({.axis = {1, -1}})(x));
  Tensor given = normal({2, 3, 4});
  for (std::size_t i = 12; i < 24; ++i) given.data<double>()[i] = 0;
  const Tensor out = model->predict(given);
  const auto y = out.data<double>();
  double squares = 0;
  for (std::size_t i = 0; i < 12; ++i) {
    squares += y[i] * y[i];
    EXPECT_NEAR(y[i] / y[0], given.data<double>()[i] / given.data<double>()[0], 1e-9);
  }
  EXPECT_NEAR(squares, 1, 1e-12);
  for (std::size_t i = 12; i < 24; ++i) EXPECT_EQ(y[i], 0);
  expect_words([&] { (void)L::UnitNormalization({.axis = layers::Axes{}}); },
               "Invalid value for `axis` argument");
  expect_words([&] { (void)L::UnitNormalization({.axis = 3})(x); }, "out of bounds");
}

TEST_F(Normalizations, MasksGoThroughAllButRms) {
  lamina::testing::CapturedWarnings warnings;
  const SymbolicTensor ids = input({3, 5}, "int32");
  const SymbolicTensor x = L::Embedding({.input_dim = 7, .output_dim = 4, .mask_zero = true})(ids);
  const SymbolicTensor y = L::UnitNormalization()(L::GroupNormalization({.groups = 2})(x));
  const auto model = Functional::create(
      {ids}, {y, L::GlobalAveragePooling1D()(y),
              L::GlobalAveragePooling1D()(L::RMSNormalization({.name = "rms"})(y))});
  randomize(*model);
  const Tensor given = sentences(3, 5);
  const std::vector<Tensor> out = model->predict(std::vector<Tensor>{given});
  for (std::int64_t b = 0; b < 3; ++b) {
    for (std::int64_t f = 0; f < 4; ++f) {
      double sum = 0, count = 0;
      for (std::int64_t t = 0; t < 5; ++t) {
        if (at(given, {b, t}) == 0) continue;
        sum += at(out[0], {b, t, f});
        ++count;
      }
      EXPECT_NEAR(at(out[1], {b, f}), sum / count, 1e-12);
    }
  }
  ASSERT_EQ(warnings.all.size(), 1u);
  EXPECT_NE(warnings.all[0].find("Layer 'rms' (of type RMSNormalization)"), std::string::npos);
}
