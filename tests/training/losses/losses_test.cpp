#include <gmock/gmock.h>
#include <lamina/losses.h>

#include <limits>

#include "tests/training/helpers.h"

namespace lamina {
namespace {

using namespace test;
using ::testing::AllOf;
using ::testing::HasSubstr;

/// Rows that add up to 1, far enough from 0 for central differences of a logarithm.
Tensor probabilities(Random& random, std::int64_t rows, std::int64_t classes) {
  Tensor p = random.tensor({rows, classes}, 0.5, 1);
  for (std::int64_t i = 0; i < rows; ++i) {
    float sum = 0;
    for (std::int64_t k = 0; k < classes; ++k) sum += p.data<float>()[std::size_t(i * classes + k)];
    for (std::int64_t k = 0; k < classes; ++k) p.data<float>()[std::size_t(i * classes + k)] /= sum;
  }
  return p;
}

/// The gradient against central differences of the value.
void expect_gradient(const Loss& loss, const Tensor& y_true, const Tensor& y_pred,
                     const Tensor& weights = {}) {
  const LossResult result = loss.value_and_gradient(y_true, y_pred, weights);
  EXPECT_EQ(result.value, loss(y_true, y_pred, weights));
  ASSERT_EQ(result.gradient.shape(), y_pred.shape());
  const float step = 3e-3F;
  for (std::size_t i = 0; i < y_pred.data<float>().size(); ++i) {
    Tensor up = y_pred.clone(), down = y_pred.clone();
    up.data<float>()[i] += step;
    down.data<float>()[i] -= step;
    const double slope = (double(loss(y_true, up, weights)) - loss(y_true, down, weights)) /
                         (double(up.data<float>()[i]) - down.data<float>()[i]);
    EXPECT_NEAR(result.gradient.data<float>()[i], slope, 5e-4 + 5e-3 * std::fabs(slope))
        << loss.name() << " at " << i;
  }
}

TEST(Losses, OfOneRowAreTheirFormulas) {
  const Tensor y = Tensor::from<float>({1, 0, 1}, {1, 3}),
               p = Tensor::from<float>({.5F, .25F, 3}, {1, 3});
  EXPECT_FLOAT_EQ((*losses::MeanSquaredError())(y, p), (0.25F + 0.0625F + 4) / 3);
  EXPECT_FLOAT_EQ((*losses::MeanAbsoluteError())(y, p), (0.5F + 0.25F + 2) / 3);
  EXPECT_FLOAT_EQ((*losses::Huber())(y, p), (0.125F + 0.03125F + 1.5F) / 3);
  const Tensor q = Tensor::from<float>({.2F, .3F, .5F}, {1, 3});
  EXPECT_FLOAT_EQ((*losses::BinaryCrossentropy())(y, q),
                  -(std::log(.2F) + std::log(.7F) + std::log(.5F)) / 3);
  const Tensor one_hot = Tensor::from<float>({0, 1, 0}, {1, 3});
  EXPECT_FLOAT_EQ((*losses::CategoricalCrossentropy())(one_hot, q), -std::log(.3F));
  const Tensor label = Tensor::from<std::int32_t>({2}, {1});
  EXPECT_FLOAT_EQ((*losses::SparseCategoricalCrossentropy())(label, q), -std::log(.5F));
  EXPECT_FLOAT_EQ((*losses::SparseCategoricalCrossentropy({.from_logits = true}))(label, q),
                  -std::log(std::exp(.5F) / (std::exp(.2F) + std::exp(.3F) + std::exp(.5F))));
}

TEST(Losses, OfOneRowAreTheFormulasOfTheRarerOnes) {
  const Tensor y = Tensor::from<float>({1, 0, 2}, {1, 3}),
               p = Tensor::from<float>({.5F, .25F, 3}, {1, 3});
  const auto value = [&](const LossPtr& loss) { return (*loss)(y, p); };
  EXPECT_NEAR(value(losses::MeanAbsolutePercentageError()) / (100 * 0.25 / 1e-7 / 3), 1, 1e-5);
  const auto square = [](float x) { return x * x; };
  EXPECT_NEAR(
      value(losses::MeanSquaredLogarithmicError()),
      (square(std::log(2.0F / 1.5F)) + square(std::log(1.25F)) + square(std::log(3.0F / 4.0F))) / 3,
      1e-6);
  EXPECT_NEAR(
      value(losses::LogCosh()),
      (std::log(std::cosh(.5F)) + std::log(std::cosh(.25F)) + std::log(std::cosh(1.0F))) / 3, 1e-6);
  EXPECT_NEAR(value(losses::Poisson()), (.5F - std::log(.5F) + .25F + 3 - 2 * std::log(3.0F)) / 3,
              1e-6);
  EXPECT_NEAR(value(losses::CosineSimilarity()), -6.5F / std::sqrt(5.0F * (0.25F + 0.0625F + 9)),
              1e-6);
  EXPECT_NEAR(value(losses::KLDivergence()), std::log(2.0F), 1e-5);
  EXPECT_NEAR(value(losses::CategoricalHinge()), 0, 1e-6) << "max(-3 + 1 - 6.5, 0)";
  const Tensor signs = Tensor::from<float>({1, 0, 1}, {1, 3});
  EXPECT_FLOAT_EQ((*losses::Hinge())(signs, p), (0.5F + 1.25F) / 3) << "0 is taken for -1";
  EXPECT_FLOAT_EQ((*losses::SquaredHinge())(signs, p), (0.25F + 1.5625F) / 3);
  EXPECT_FLOAT_EQ((*losses::Hinge())(y, p), (0.5F + 1 + 0) / 3) << "2 is none of both";
  EXPECT_FLOAT_EQ((*losses::CategoricalHinge())(Tensor::from<float>({0, 1, 0}, {1, 3}), p),
                  3 - .25F + 1);
  const Tensor one = Tensor::from<float>({1, 0}, {1, 2}),
               q = Tensor::from<float>({.8F, .4F}, {1, 2});
  EXPECT_NEAR((*losses::BinaryFocalCrossentropy())(one, q),
              -(.04F * std::log(.8F) + .16F * std::log(.6F)) / 2, 1e-6);
  EXPECT_NEAR((*losses::BinaryFocalCrossentropy({.apply_class_balancing = true}))(one, q),
              -(.25F * .04F * std::log(.8F) + .75F * .16F * std::log(.6F)) / 2, 1e-6);
  EXPECT_NEAR((*losses::CategoricalFocalCrossentropy())(one, q),
              -.25F * square(1.0F / 3) * std::log(2.0F / 3), 1e-6);
}

TEST(Losses, OfHingesTakeAllLabelsOfABatchTogether) {
  const Tensor p = Tensor::from<float>({0.5F, 0.5F}, {2, 1});
  EXPECT_FLOAT_EQ((*losses::Hinge())(Tensor::from<float>({1, 0}, {2, 1}), p), (0.5F + 1.5F) / 2);
  EXPECT_FLOAT_EQ((*losses::Hinge())(Tensor::from<float>({-1, 0}, {2, 1}), p), (1.5F + 1) / 2);
}

TEST(Losses, HaveGradientsThatEqualDifferences) {
  Random random;
  const std::int64_t rows = random.integer(2, 5), classes = random.integer(2, 6);
  const Tensor y = random.tensor({rows, classes}, 0, 1), x = random.tensor({rows, classes}, -2, 2);
  const Tensor weights = random.tensor({rows}, 0.2, 2);
  expect_gradient(*losses::MeanSquaredError(), y, x, weights);
  expect_gradient(*losses::Huber({.delta = 0.7}), y, x, weights);
  expect_gradient(*losses::BinaryCrossentropy({.from_logits = true, .label_smoothing = 0.1}), y, x);
  expect_gradient(*losses::CategoricalCrossentropy({.from_logits = true, .label_smoothing = 0.2}),
                  y, x, weights);
  const Tensor labels = random.classes({rows, 1}, classes);
  expect_gradient(*losses::SparseCategoricalCrossentropy({.from_logits = true}), labels, x,
                  weights);
  const Tensor p = probabilities(random, rows, classes);
  expect_gradient(*losses::BinaryCrossentropy(), y, p);
  expect_gradient(*losses::CategoricalCrossentropy({.label_smoothing = 0.1}), y, p);
  expect_gradient(*losses::SparseCategoricalCrossentropy(), labels, p, weights);
  const Tensor positive = random.tensor({rows, classes}, 0.2, 0.9);
  const Tensor signs = random.classes({rows, classes}, 2);
  expect_gradient(*losses::MeanSquaredLogarithmicError(), y, positive, weights);
  expect_gradient(*losses::LogCosh(), y, x);
  expect_gradient(*losses::Poisson(), y, positive, weights);
  expect_gradient(*losses::CosineSimilarity(), y, positive);
  expect_gradient(*losses::KLDivergence(), positive, p, weights);
  expect_gradient(*losses::SquaredHinge(), signs, x, weights);
  expect_gradient(*losses::BinaryFocalCrossentropy({.gamma = 1.5, .label_smoothing = 0.1}), y, p);
  expect_gradient(
      *losses::BinaryFocalCrossentropy({.apply_class_balancing = true, .from_logits = true}), y, x,
      weights);
  expect_gradient(*losses::CategoricalFocalCrossentropy({.alpha = 0.5, .label_smoothing = 0.2}), y,
                  positive);
  expect_gradient(*losses::CategoricalFocalCrossentropy({.gamma = 1.5, .from_logits = true}), y, x,
                  weights);
  for (const Reduction reduction : {Reduction::kSum, Reduction::kMeanWithSampleWeight}) {
    expect_gradient(*losses::MeanSquaredError({.reduction = reduction}), y, x, weights);
  }
}

TEST(Losses, OfAbsoluteErrorHaveTheSignAsGradient) {
  const Tensor y = Tensor::from<float>({1, 1, 1, 1}, {2, 2}),
               p = Tensor::from<float>({3, 0, 1, 2}, {2, 2});
  const Tensor gradient = losses::MeanAbsoluteError()->value_and_gradient(y, p).gradient;
  const std::vector<float> expected = {.25F, -.25F, 0, .25F};
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(gradient.data<float>()[i], expected[i]);
}

TEST(Losses, OfHingesAndPercentagesHaveTheirSlopesAsGradients) {
  const auto gradient = [](const LossPtr& loss, std::vector<float> y, std::vector<float> p) {
    const Tensor got = loss->value_and_gradient(Tensor::from(std::move(y), {1, 3}),
                                                Tensor::from(std::move(p), {1, 3}))
                           .gradient;
    return std::vector<float>(got.data<float>().begin(), got.data<float>().end());
  };
  EXPECT_THAT(gradient(losses::Hinge(), {1, 0, 1}, {.5F, .5F, 2}),
              ::testing::ElementsAre(-1.0F / 3, 1.0F / 3, 0));
  EXPECT_THAT(gradient(losses::CategoricalHinge(), {0, 1, 0}, {.5F, .25F, 2}),
              ::testing::ElementsAre(0, -1, 1));
  EXPECT_THAT(gradient(losses::CategoricalHinge(), {0, 1, 0}, {.5F, 4, 2}),
              ::testing::ElementsAre(0, 0, 0));
  EXPECT_THAT(gradient(losses::CategoricalHinge(), {0, 1, 0}, {2, .25F, 2}),
              ::testing::ElementsAre(.5F, -1, .5F))
      << "equal ones share it";
  EXPECT_THAT(gradient(losses::CategoricalHinge(), {0, 1, 0}, {0, 0, 0}),
              ::testing::ElementsAre(1.0F / 3, -1, 1.0F / 3));
  EXPECT_THAT(
      gradient(losses::MeanAbsolutePercentageError(), {2, -4, 1}, {3, -5, 1}),
      ::testing::ElementsAre(::testing::FloatEq(50.0F / 3), ::testing::FloatEq(-25.0F / 3), 0));
}

TEST(Losses, OfDirectionsTakeTheClippedLengthForAConstant) {
  const Tensor y = Tensor::from<float>({3, 4}, {1, 2}), p = Tensor::from<float>({3e-8F, 0}, {1, 2});
  const LossResult result = losses::CosineSimilarity()->value_and_gradient(y, p);
  EXPECT_FLOAT_EQ(result.value, -0.6F * 0.3F);
  EXPECT_FLOAT_EQ(result.gradient.data<float>()[0], -6e6F);
  EXPECT_FLOAT_EQ(result.gradient.data<float>()[1], -8e6F);
}

TEST(Losses, ReduceByRowsOrByWeights) {
  const Tensor y = Tensor::zeros({3, 1}), p = Tensor::from<float>({1, 2, 3}, {3, 1});
  const Tensor weights = Tensor::from<float>({1, 0, 2}, {3});
  const auto value = [&](Reduction reduction) {
    return (*losses::MeanSquaredError({.reduction = reduction}))(y, p, weights);
  };
  EXPECT_FLOAT_EQ(value(Reduction::kSum), 1 + 2 * 9);
  EXPECT_FLOAT_EQ(value(Reduction::kSumOverBatchSize), 19.0F / 3);
  EXPECT_FLOAT_EQ(value(Reduction::kMeanWithSampleWeight), 19.0F / 3);
  EXPECT_EQ((*losses::MeanSquaredError({.reduction = Reduction::kMeanWithSampleWeight}))(
                y, p, Tensor::zeros({3})),
            0);
}

TEST(Losses, LeaveIgnoredClassesOut) {
  Random random;
  const Tensor x = random.tensor({4, 3});
  const auto loss =
      losses::SparseCategoricalCrossentropy({.from_logits = true, .ignore_class = -1});
  const Tensor some = Tensor::from<std::int32_t>({2, -1, 0, -1}, {4});
  const LossResult result = loss->value_and_gradient(some, x);
  const auto data = x.data<float>();
  const Tensor kept =
      Tensor::from<float>({data[0], data[1], data[2], data[6], data[7], data[8]}, {2, 3});
  EXPECT_FLOAT_EQ(result.value, (*loss)(Tensor::from<std::int32_t>({2, 0}, {2}), kept));
  for (const std::size_t i : {3, 4, 5, 9, 10, 11}) EXPECT_EQ(result.gradient.data<float>()[i], 0);
  EXPECT_EQ((*loss)(Tensor::from<std::int32_t>({-1, -1, -1, -1}, {4}), x), 0);
}

TEST(Losses, TakeLabelsWithAndWithoutALastAxisOfOne) {
  const Tensor flat = Tensor::from<float>({1, 2, 3}, {3}), column = flat.reshape({3, 1});
  const Tensor p = Tensor::from<float>({0, 0, 0}, {3, 1});
  EXPECT_EQ((*losses::MeanSquaredError())(flat, p), (*losses::MeanSquaredError())(column, p));
  EXPECT_EQ(losses::MeanSquaredError()->value_and_gradient(column, p.reshape({3})).gradient.shape(),
            Shape{3});
}

TEST(Losses, StayFiniteForHugeLogits) {
  const Tensor x = Tensor::from<float>({1000, -1000}, {1, 2});
  const Tensor label = Tensor::from<std::int32_t>({1}, {1});
  const LossResult result =
      losses::SparseCategoricalCrossentropy({.from_logits = true})->value_and_gradient(label, x);
  EXPECT_FLOAT_EQ(result.value, 2000);
  EXPECT_FLOAT_EQ(result.gradient.data<float>()[0], 1);
  const Tensor y = Tensor::from<float>({0, 1}, {1, 2});
  EXPECT_FLOAT_EQ((*losses::BinaryCrossentropy({.from_logits = true}))(y, x), 1000);
}

TEST(Losses, OfNotANumberAreNotANumber) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const Tensor p = Tensor::from<float>({nan, 0.5F}, {1, 2}),
               y = Tensor::from<float>({0, 1}, {1, 2});
  const Tensor label = Tensor::from<std::int32_t>({1}, {1});
  for (const char* name :
       {"mse", "mae", "Huber", "bce", "CategoricalCrossentropy", "mape", "msle", "LogCosh",
        "Poisson", "CosineSimilarity", "kld", "Hinge", "SquaredHinge", "CategoricalHinge",
        "BinaryFocalCrossentropy", "CategoricalFocalCrossentropy"}) {
    EXPECT_TRUE(std::isnan((*losses::get(name))(y, p))) << name;
  }
  EXPECT_TRUE(std::isnan((*losses::SparseCategoricalCrossentropy())(label, p)));
  EXPECT_TRUE(
      std::isnan((*losses::SparseCategoricalCrossentropy({.from_logits = true}))(label, p)));
}

TEST(Losses, NameWhatDoesNotFit) {
  const Tensor p = Tensor::zeros({4, 3});
  const auto mse = losses::MeanSquaredError();
  EXPECT_THAT(message_of([&] {
                (void)(*mse)(Tensor::zeros({4, 2}), p);
              }),
              AllOf(HasSubstr("mean_squared_error"), HasSubstr("(4, 2)"), HasSubstr("(4, 3)")));
  EXPECT_THAT(message_of([&] {
                (void)(*mse)(Tensor::zeros({4, 3}), p, Tensor::zeros({3}));
              }),
              AllOf(HasSubstr("sample_weight"), HasSubstr("(3,)"), HasSubstr("(4,)")));
  EXPECT_THAT(message_of([&] { (void)(*mse)(Tensor(), p); }), HasSubstr("`y_true` is undefined"));
  const auto sparse = losses::SparseCategoricalCrossentropy();
  for (const float label : {3.0F, -1.0F, 0.5F}) {
    const Tensor y = Tensor::from<float>({0, 1, label, 2}, {4});
    EXPECT_THAT(message_of([&] { (void)(*sparse)(y, p); }),
                AllOf(HasSubstr("at position 2"), HasSubstr("[0, 3)"), HasSubstr("3 classes")));
  }
  EXPECT_THAT(message_of([] { (void)losses::get("nonsense"); }),
              AllOf(HasSubstr("nonsense"), HasSubstr("MeanSquaredError")));
  EXPECT_THROW((void)losses::BinaryCrossentropy({.label_smoothing = 1.5}), ValueError);
}

TEST(Losses, KeepTheDtypeOfThePredictions) {
  const Tensor p = Tensor::zeros({2, 2}, DType::kFloat64);
  EXPECT_EQ(
      losses::MeanSquaredError()->value_and_gradient(Tensor::zeros({2, 2}), p).gradient.dtype(),
      DType::kFloat64);
}

TEST(Losses, ScaleTheGradientBeforeItIsRounded) {
  Random random;
  const Tensor y = random.tensor({5, 3}), p = random.tensor({5, 3}).cast(DType::kFloat16);
  Tensor weights = random.tensor({5}, 1e-9, 1e-8);
  const LossPtr loss = losses::MeanSquaredError();
  const LossResult wide = loss->value_and_gradient(y, p.cast(DType::kFloat32), weights),
                   narrow = loss->value_and_gradient(y, p, weights, 65536);
  EXPECT_EQ(narrow.value, wide.value);
  Tensor expected = wide.gradient.clone();
  for (float& x : expected.data<float>()) x *= 65536;
  EXPECT_TRUE(bitwise_equal(narrow.gradient, expected.cast(DType::kFloat16)));
}

}  // namespace
}  // namespace lamina
