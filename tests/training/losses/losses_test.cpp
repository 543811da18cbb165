#include <gmock/gmock.h>
#include <lamina/losses.h>

#include <array>
#include <limits>
#include <map>
#include <vector>

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

TEST(Losses, OfRegionsAreWhatLabelsAndPredictionsDoNotShare) {
  const Tensor y = Tensor::from<float>({1, 0, 1, 0}, {2, 2}),
               p = Tensor::from<float>({.5F, .25F, 1, .75F}, {2, 2});
  const auto value = [&](const LossPtr& loss) { return (*loss)(y, p); };
  EXPECT_FLOAT_EQ(value(losses::Dice()), 1 - 2 * 1.5F / (2 + 2.5F));
  const float first = 1 - 2 * .5F / (1 + .75F), second = 1 - 2 * 1.0F / (1 + 1.75F);
  EXPECT_FLOAT_EQ(value(losses::Dice({.axis = {{-1}}})), (first + second) / 2);
  const float column = 1 - 2 * 1.5F / (2 + 1.5F);  // of the second there is nothing: 1
  EXPECT_FLOAT_EQ(value(losses::Dice({.axis = {{0}}, .reduction = Reduction::kSum})), column + 1);
  EXPECT_FLOAT_EQ(value(losses::Dice({.axis = {{1, 0}}})), value(losses::Dice()));
  EXPECT_FLOAT_EQ(value(losses::Tversky({.alpha = .25, .beta = 2})),
                  1 - 1.5F / (1.5F + .25F * .5F + 2 * 1.0F));
  EXPECT_NEAR(value(losses::Tversky()), value(losses::Dice()), 1e-6);
  EXPECT_FLOAT_EQ((*losses::Dice())(Tensor::zeros({3, 2}), Tensor::zeros({3, 2})), 1);
  // Ones that float32 would no longer add to the first.
  constexpr std::size_t kOnes = 1 << 20;
  std::vector<float> labels(kOnes + 1, 1.0F), predictions = labels;
  labels[0] = 1 << 24;
  predictions[0] = 0;
  const Shape many{static_cast<std::int64_t>(labels.size()), 1};
  EXPECT_NEAR((*losses::Dice())(Tensor::from(labels, many), Tensor::from(predictions, many)),
              1 - 2.0 / 18, 1e-6);
}

/// What Dice makes of each place along the axes that its sums are not over.
std::vector<float> dice_of_places(const Tensor& y, const Tensor& p, const std::vector<bool>& kept) {
  std::map<std::vector<std::int64_t>, std::array<double, 2>> sums;
  const std::vector<std::int64_t>& dims = p.shape().dims();
  for (std::size_t i = 0; i < p.data<float>().size(); ++i) {
    std::vector<std::int64_t> place;
    auto rest = static_cast<std::int64_t>(i);
    for (std::size_t axis = dims.size(); axis-- > 0; rest /= dims[axis]) {
      if (kept[axis]) place.insert(place.begin(), rest % dims[axis]);
    }
    sums[place][0] += double(y.data<float>()[i]) * p.data<float>()[i];
    sums[place][1] += double(y.data<float>()[i]) + p.data<float>()[i];
  }
  std::vector<float> out;
  for (const auto& [place, sum] : sums) out.push_back(float(1 - 2 * sum[0] / (sum[1] + 1e-7)));
  return out;
}

TEST(Losses, OfRegionsLoseAtEachPlaceAlongTheOtherAxes) {
  Random random;
  const Shape shape{random.integer(1, 4), random.integer(1, 5), random.integer(2, 5),
                    random.integer(1, 4)};
  const Tensor y = random.tensor(shape, 0.3, 1), p = random.tensor(shape, 0.3, 1);
  for (const std::vector<std::int64_t>& axes : std::vector<std::vector<std::int64_t>>{
           {}, {0}, {1}, {-1}, {1, 2}, {0, -1}, {-2, 0}, {1, 2, 3}, {0, 1, 2}, {0, 1, 2, 3}}) {
    std::vector<bool> kept(4, true);
    for (const std::int64_t axis : axes) kept[std::size_t((axis + 4) % 4)] = false;
    const LossPtr loss = losses::Dice({.axis = axes});
    const std::vector<float> wanted = dice_of_places(y, p, kept);
    const RowLosses got = loss->row_losses(y, p);
    ASSERT_EQ(got.values.data<float>().size(), wanted.size());
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      EXPECT_NEAR(got.values.data<float>()[i], wanted[i], 1e-5) << i;
    }
    const Tensor weights = random.tensor(got.values.shape(), 0.2, 2);
    expect_gradient(*loss, y, p, weights);
    expect_gradient(*losses::Tversky({.alpha = 0.3, .beta = 0.8, .axis = axes}), y, p);
  }
}

// As Keras broadcasts a scalar.
TEST(Losses, OfAllOfABatchAreThereOnceForEachWeight) {
  Random random;
  const Tensor y = random.tensor({4, 3}, 0, 1), p = random.tensor({4, 3}, 0, 1);
  const float plain = (*losses::Dice())(y, p);
  const auto value = [&](Reduction reduction, const Tensor& weights, const Tensor& mask) {
    return (*losses::Dice({.reduction = reduction}))(y, p, weights, mask) / plain;
  };
  const Tensor weights = Tensor::from<float>({1, 2, 3, 0}, {4});
  const Tensor mask = Tensor::from<float>({1, 0, 1, 1}, {4}).cast(DType::kBool);
  using enum Reduction;
  EXPECT_FLOAT_EQ(value(kSum, weights, {}), 6);
  EXPECT_FLOAT_EQ(value(kSumOverBatchSize, weights, {}), 1.5F);
  EXPECT_FLOAT_EQ(value(kMeanWithSampleWeight, weights, {}), 1);
  EXPECT_FLOAT_EQ(value(kSum, {}, mask), 3);
  EXPECT_FLOAT_EQ(value(kSumOverBatchSize, {}, mask), 1);
  EXPECT_FLOAT_EQ(value(kSum, weights, mask), 4);
  EXPECT_FLOAT_EQ(value(kSumOverBatchSize, weights, mask), 4.0F / 3);
  EXPECT_FLOAT_EQ(value(kMeanWithSampleWeight, weights, mask), 1);
  EXPECT_EQ(value(kSumOverBatchSize, weights, Tensor::zeros({4}, DType::kBool)), 0);
  const Tensor one = Tensor::from<float>({5}, {1});
  EXPECT_FLOAT_EQ(value(kMeanWithSampleWeight, one, {}), 5) << "that of a scalar stays as it is";
  EXPECT_FLOAT_EQ(value(kMeanWithSampleWeight, Tensor::from<float>({5}, {1, 1}), {}), 1);
  for (const Reduction reduction : {kSum, kSumOverBatchSize, kMeanWithSampleWeight}) {
    expect_gradient(*losses::Dice({.reduction = reduction}), y, p, weights);
  }
}

TEST(Losses, OfGeneralizedEntropyAreOfTheLabelsProbability) {
  const Tensor p = Tensor::from<float>({.25F, .75F, 1, 0}, {2, 2});
  const Tensor labels = Tensor::from<std::int32_t>({1, 0}, {2});
  const LossPtr loss = losses::CategoricalGeneralizedCrossEntropy({.q = .25});
  EXPECT_FLOAT_EQ((*loss)(labels, p), (1 - std::pow(.75F, .25F)) / .25F / 2);
  EXPECT_EQ((*loss)(labels, p), (*loss)(labels.reshape({2, 1}), p));
  const Tensor gradient =
      loss->value_and_gradient(Tensor::from<std::int32_t>({1, 1}, {2}), p).gradient;
  EXPECT_EQ(gradient.data<float>()[0], 0);
  EXPECT_FLOAT_EQ(gradient.data<float>()[1], -std::pow(.75F, -.75F) / 2);
  EXPECT_TRUE(std::isnan(gradient.data<float>()[2])) << "0 infinity, as in Keras";
  EXPECT_EQ(gradient.data<float>()[3], -std::numeric_limits<float>::infinity());
}

TEST(Losses, OfCirclesCompareEachEmbeddingWithTheOthers) {
  const Tensor e = Tensor::from<float>({1, 0, .6F, .8F, 0, 1}, {3, 2});
  const Tensor labels = Tensor::from<std::int32_t>({4, 4, 7}, {3});
  const auto pull = [](float d) { return 2 * (d + .25F) * (d - .25F); };
  const auto push = [](float d) { return 2 * (1.25F - d) * (.75F - d); };
  // The products are .6, 0 and .8; the third has no other of its label and takes no part.
  const float first = std::log1p(std::exp(pull(.4F) + push(1))),
              second = std::log1p(std::exp(pull(.4F) + push(.2F)));
  const losses::CircleOptions options{.gamma = 2, .margin = .25};
  const LossPtr loss = losses::Circle(options);
  EXPECT_FLOAT_EQ((*loss)(labels, e), (first + second) / 2);
  EXPECT_FLOAT_EQ((*loss)(labels.reshape({3, 1}), e), (first + second) / 2);
  EXPECT_FLOAT_EQ((*loss)(Tensor::from<float>({4.75F, 4.25F, 7}, {3}), e), (first + second) / 2);
  const RowLosses each = loss->row_losses(labels, e);
  EXPECT_FLOAT_EQ(each.values.data<float>()[1], second);
  EXPECT_EQ(each.values.data<float>()[2], 0);
  EXPECT_EQ(each.counts.data<float>()[2], 0);
  const LossResult alone = loss->value_and_gradient(Tensor::from<std::int32_t>({1, 2, 3}, {3}), e);
  EXPECT_EQ(alone.value, 0);
  EXPECT_TRUE(bitwise_equal(alone.gradient, Tensor::zeros({3, 2})));
  const auto itself = [&](float near, float far) {  // log(exp(a) + exp(b)) is that of all pushes
    return std::log1p(std::exp(pull(0) + std::log(std::exp(push(near)) + std::exp(push(far)))));
  };
  EXPECT_FLOAT_EQ(losses::Circle({.gamma = 2, .margin = .25, .remove_diagonal = false})
                      ->row_losses(labels, e)
                      .values.data<float>()[2],
                  itself(1, .2F));
  EXPECT_THAT(message_of([&] {
                (void)(*loss)(labels, e.reshape({3, 2, 1}));
              }),
              AllOf(HasSubstr("circle"), HasSubstr("has 3 axes")));
  const Tensor large = Tensor::from<std::int64_t>({16777215, 16777217, 1}, {3});
  EXPECT_THAT(message_of([&] { (void)(*loss)(large, e); }),
              AllOf(HasSubstr("circle"), HasSubstr("at position 1"), HasSubstr("16777216")));
}

TEST(Losses, OfCirclesHaveGradientsThatEqualDifferences) {
  Random random;
  const std::int64_t rows = random.integer(3, 7), size = random.integer(2, 4);
  const Tensor e = random.tensor({rows, size}, -0.45, 0.45);  // away from where max() turns
  const Tensor labels = random.classes({rows}, 2), weights = random.tensor({rows}, 0.2, 2);
  for (const bool remove_diagonal : {false, true}) {
    for (const Reduction reduction :
         {Reduction::kSum, Reduction::kSumOverBatchSize, Reduction::kMeanWithSampleWeight}) {
      const LossPtr loss = losses::Circle({.gamma = 1.5,
                                           .margin = 0.9,
                                           .remove_diagonal = remove_diagonal,
                                           .reduction = reduction});
      expect_gradient(*loss, labels, e, weights);
    }
  }
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
  expect_gradient(*losses::CategoricalGeneralizedCrossEntropy({.q = 0.7}), labels, positive,
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
        "BinaryFocalCrossentropy", "CategoricalFocalCrossentropy", "dice", "tversky"}) {
    EXPECT_TRUE(std::isnan((*losses::get(name))(y, p))) << name;
  }
  EXPECT_TRUE(std::isnan((*losses::SparseCategoricalCrossentropy())(label, p)));
  EXPECT_TRUE(std::isnan((*losses::CategoricalGeneralizedCrossEntropy())(label, p)));
  const Tensor two = Tensor::from<std::int32_t>({1, 1}, {2});
  EXPECT_TRUE(std::isnan((*losses::Circle())(two, Tensor::from<float>({nan, 0, 1, 0}, {2, 2}))));
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
  for (const LossPtr& sparse :
       {losses::SparseCategoricalCrossentropy(), losses::CategoricalGeneralizedCrossEntropy()}) {
    for (const float label : {3.0F, -1.0F, 0.5F}) {
      const Tensor y = Tensor::from<float>({0, 1, label, 2}, {4});
      EXPECT_THAT(message_of([&] { (void)(*sparse)(y, p); }),
                  AllOf(HasSubstr("at position 2"), HasSubstr("[0, 3)"), HasSubstr("3 classes")));
    }
  }
  for (const std::int64_t axis : {2, -3}) {
    EXPECT_THAT(message_of([&] { (void)(*losses::Dice({.axis = {{axis}}}))(p, p); }),
                AllOf(HasSubstr("'dice'"), HasSubstr("is out of bounds"), HasSubstr("2 axes")));
  }
  EXPECT_THAT(message_of([&] {
                (void)(*losses::Tversky({.axis = {{0, -2}}}))(p, p);
              }),
              AllOf(HasSubstr("'tversky'"), HasSubstr("twice")));
  EXPECT_THAT(message_of([&] {
                (void)(*losses::Dice())(Tensor::zeros({4, 2}), p);
              }),
              AllOf(HasSubstr("(4, 2)"), HasSubstr("expected (4, 3)")));
  EXPECT_THAT(message_of([] { (void)losses::get("nonsense"); }),
              AllOf(HasSubstr("nonsense"), HasSubstr("MeanSquaredError")));
  EXPECT_THROW((void)losses::BinaryCrossentropy({.label_smoothing = 1.5}), ValueError);
  for (const double q : {0.0, 1.0, std::nan("")}) {
    EXPECT_THAT(message_of([&] { (void)losses::CategoricalGeneralizedCrossEntropy({.q = q}); }),
                HasSubstr("q must be in the interval (0, 1)"));
  }
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
