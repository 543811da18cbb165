// Masks: what layers make, carry along, drop and do with them.
#include <cmath>
#include <functional>
#include <limits>

#include "tests/fakes/captured_warnings.h"
#include "tests/layers/mask_scene.h"

using namespace lamina;
using namespace lamina::test;

namespace {

using Masks = MaskScene;

}  // namespace

TEST_F(Masks, OfWordsReachTheirMean) {
  const SymbolicTensor ids = input({3, 5}, "int32");
  const LayerRef words = L::Embedding({.input_dim = 7, .output_dim = 2, .mask_zero = true});
  SymbolicTensor y = L::Activation({.activation = "tanh"})(words(ids));
  y = L::Dropout({.rate = 0.3})(L::LayerNormalization()(y));
  const auto steps = Functional::create(ids, y);
  const auto model = Functional::create(ids, L::GlobalAveragePooling1D()(y));
  randomize(*model);
  const Tensor given = sentences(3, 5), all = steps->predict(given), means = model->predict(given);
  for (std::int64_t b = 0; b < 3; ++b) {
    for (std::int64_t f = 0; f < 2; ++f) {
      double sum = 0, count = 0;
      for (std::int64_t t = 0; t < 5; ++t) {
        if (at(given, {b, t}) == 0) continue;
        sum += at(all, {b, t, f});
        ++count;
      }
      EXPECT_NEAR(at(means, {b, f}), sum / count, 1e-12);
    }
  }
}

TEST_F(Masks, AreMergedAsTheirTensorsAre) {
  const SymbolicTensor a = input({2, 4, 3}), b = input({2, 4, 3});
  const Tensor seen_a = flags({2, 4}), seen_b = flags({2, 4});
  const auto masked = [&](const Tensor& seen) {
    Tensor x = normal({2, 4, 3});
    for (std::size_t i = 0; i < 8; ++i) {
      for (std::size_t k = 0; k < 3 && !seen.data<bool>()[i]; ++k) {
        x.data<double>()[i * 3 + k] = 0.5;
      }
    }
    return x;
  };
  const Tensor xa = masked(seen_a), xb = masked(seen_b);
  const auto mean_of = [&](const std::function<SymbolicTensor(const SymbolicTensors&)>& merge,
                           const std::function<bool(std::size_t)>& counts) {
    const LayerRef masking = L::Masking({.mask_value = 0.5});
    const SymbolicTensor y = merge({masking(a), masking(b), b});
    const auto model =
        Functional::create({a, b}, {y, L::GlobalAveragePooling1D({.keepdims = true})(y)});
    const std::vector<Tensor> out = model->predict({xa, xb});
    const std::int64_t width = out[0].shape()[2], steps = out[0].shape()[1];
    for (std::int64_t row = 0; row < 2; ++row) {
      for (std::int64_t f = 0; f < width; ++f) {
        double sum = 0, count = 0;
        for (std::int64_t t = 0; t < steps; ++t) {
          if (!counts(static_cast<std::size_t>(row * steps + t))) continue;
          sum += at(out[0], {row, t, f});
          ++count;
        }
        EXPECT_NEAR(at(out[1], {row, 0, f}), sum / count, 1e-12);
      }
    }
  };
  const auto of_a = [&](std::size_t i) { return seen_a.data<bool>()[i]; };
  const auto of_b = [&](std::size_t i) { return seen_b.data<bool>()[i]; };
  {
    SCOPED_TRACE("of all that are summed");
    mean_of(
        [](const SymbolicTensors& x) {
          return L::Add()({x[0], x[1]});
        },
        [&](std::size_t i) { return of_a(i) || of_b(i); });
  }
  {
    SCOPED_TRACE("one of those that are summed has none");
    mean_of(
        [](const SymbolicTensors& x) {
          return L::Maximum()({x[0], x[2]});
        },
        [](std::size_t) { return true; });
  }
  {
    SCOPED_TRACE("features behind features");
    mean_of(
        [](const SymbolicTensors& x) {
          return L::Concatenate()({x[0], x[1]});
        },
        [&](std::size_t i) { return of_a(i) || of_b(i); });
  }
  {
    SCOPED_TRACE("steps behind steps, of which one has no mask");
    mean_of(
        [](const SymbolicTensors& x) {
          return L::Concatenate({.axis = 1})({x[0], x[2]});
        },
        [&](std::size_t i) { return i % 8 >= 4 || of_a(i / 8 * 4 + i % 8); });
  }
}

TEST_F(Masks, MaskingMakesZerosOfWhatItMasks) {
  const SymbolicTensor x = input({2, 3, 2});
  const auto model = Functional::create(x, L::Masking({.mask_value = -1})(x));
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Tensor given =
      Tensor::from<double>({-1, -1, -1, 2, 3, 4, nan, -1, 5, -1, -1, -1}, {2, 3, 2});
  const Tensor y = model->predict(given);
  const std::vector<double> wanted{0, 0, -1, 2, 3, 4, nan, -1, 5, -1, 0, 0};
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (std::isnan(wanted[i])) {
      EXPECT_TRUE(std::isnan(y.data<double>()[i]));
    } else {
      EXPECT_EQ(y.data<double>()[i], wanted[i]) << i;
    }
  }
}

TEST_F(Masks, MaskingKnowsAnInfiniteValue) {
  const double infinity = std::numeric_limits<double>::infinity();
  for (const double value : {infinity, -infinity}) {
    const SymbolicTensor x = input({2, 3, 2});
    const auto model = Functional::create(x, L::Masking({.mask_value = value})(x));
    const Tensor given = Tensor::from<double>(
        {value, value, -value, value, 3, 4, value, 1, -value, -value, value, value}, {2, 3, 2});
    const Tensor y = model->predict(given);
    const std::vector<double> wanted{0, 0, -value, value, 3, 4, value, 1, -value, -value, 0, 0};
    EXPECT_EQ(std::vector<double>(y.data<double>().begin(), y.data<double>().end()), wanted);
  }
}

TEST_F(Masks, SoftmaxGivesNothingToWhatIsMasked) {
  const SymbolicTensor x = input({2, 4});
  for (const char* dtype : {"bool", "float64", "int64"}) {
    const SymbolicTensor m = input({2, 4}, dtype);
    const auto model = Functional::create({x, m}, {L::Softmax()(x, {{"mask", m}})});
    const Tensor given = normal({2, 4});
    Tensor mask = flags({2, 4});
    for (std::size_t i = 4; i < 8; ++i) mask.data<bool>()[i] = false;
    Tensor numbers = mask.cast(dtype_from_name(dtype));
    if (numbers.dtype() == DType::kFloat64) {
      for (double& number : numbers.data<double>()) number = number == 0 ? 0.5 : 0.75;
    }
    const Tensor y = model->predict({given, numbers})[0];
    double total = 0;
    for (std::int64_t i = 0; i < 4; ++i) {
      if (at(mask, {0, i}) != 0) total += std::exp(at(given, {0, i}));
    }
    for (std::int64_t i = 0; i < 4; ++i) {
      const double wanted = at(mask, {0, i}) != 0 ? std::exp(at(given, {0, i})) / total : 0;
      EXPECT_NEAR(at(y, {0, i}), wanted, 1e-12);
      EXPECT_EQ(at(y, {1, i}), 0);
    }
  }
}

TEST_F(Masks, EndWithAWarningWhereALayerKnowsNothingOfThem) {
  lamina::testing::CapturedWarnings warnings;
  const SymbolicTensor ids = input({3, 5}, "int32");
  SymbolicTensor y = L::Embedding({.input_dim = 7, .output_dim = 2, .mask_zero = true})(ids);
  y = L::Permute({.dims = {1, 2}, .name = "turned"})(L::Dense({.units = 2})(y));
  y = L::Conv1D({.filters = 2, .kernel_size = 1, .name = "convolved"})(y);
  const auto plain = Functional::create(ids, y);
  const auto model = Functional::create(ids, L::GlobalAveragePooling1D()(y));
  randomize(*model);
  for (const std::int64_t rows : {3, 3}) {
    const Tensor given = sentences(rows, 5);
    const Tensor steps = plain->predict(given), means = model->predict(given);
    for (std::int64_t f = 0; f < 2; ++f) {
      double sum = 0;
      for (std::int64_t t = 0; t < 5; ++t) sum += at(steps, {0, t, f});
      EXPECT_NEAR(at(means, {0, f}), sum / 5, 1e-12) << "all steps count";
    }
  }
  ASSERT_EQ(warnings.all.size(), 1u) << "once";
  EXPECT_EQ(warnings.all[0],
            "Layer 'turned' (of type Permute) was passed an input with a mask attached to it. "
            "However, this layer does not support masking and will therefore destroy the mask "
            "information. Downstream layers will not see the mask.");
}

TEST_F(Masks, GoThroughModelsWithinModels) {
  for (const char* dtype : {"float64", "float32"}) {  // of the inner one's input: it casts to that
    SCOPED_TRACE(dtype);
    lamina::testing::CapturedWarnings warnings;
    const SymbolicTensor inside = input({kNone, 5, 2}, dtype);
    const auto inner = Functional::create(inside, L::GlobalAveragePooling1D()(L::ReLU()(inside)));
    const SymbolicTensor ids = input({3, 5}, "int32");
    const SymbolicTensor x =
        L::Embedding({.input_dim = 7, .output_dim = 2, .mask_zero = true})(ids);
    const auto outer = Functional::create(ids, (*inner)(x));
    const auto same = Functional::create(ids, L::GlobalAveragePooling1D()(L::ReLU()(x)));
    randomize(*outer);
    const Tensor given = sentences(3, 5);
    expect_near(outer->predict(given), same->predict(given),
                inside.dtype() == DType::kFloat64 ? 0 : 1e-6);
    EXPECT_EQ(warnings.all.size(), 1u) << "Keras has it too, of the inner model";
  }
}
