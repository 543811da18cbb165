// losses::CTC against the sum over all paths in double; against Keras: tests/interop.
#include <gmock/gmock.h>
#include <lamina/lamina.h>
#include <lamina/losses.h>

#include <cmath>
#include <vector>

#include "tests/training/helpers.h"

namespace lamina {
namespace {

using namespace test;
using ::testing::AllOf;
using ::testing::HasSubstr;

/// What a path of classes reads: of equal ones that follow one another one, and no blanks.
std::vector<std::int64_t> read(const std::vector<std::int64_t>& path) {
  std::vector<std::int64_t> out;
  for (std::size_t t = 0; t < path.size(); ++t) {
    if (path[t] != 0 && (t == 0 || path[t] != path[t - 1])) out.push_back(path[t]);
  }
  return out;
}

/// One sequence of logits, row after row, and its loss with the derivatives by them.
struct Oracle {
  double loss;
  std::vector<double> gradient;
};

Oracle over_all_paths(std::span<const float> logits, std::size_t classes,
                      const std::vector<std::int64_t>& labels) {
  const std::size_t steps = logits.size() / classes;
  std::vector<double> p(logits.size()), share(logits.size(), 0);
  for (std::size_t t = 0; t < steps; ++t) {
    double sum = 0;
    for (std::size_t k = 0; k < classes; ++k) sum += std::exp(double(logits[t * classes + k]));
    for (std::size_t k = 0; k < classes; ++k) {
      p[t * classes + k] = std::exp(double(logits[t * classes + k])) / sum;
    }
  }
  double all = 0;
  std::vector<std::int64_t> path(steps, 0);
  for (bool more = true; more;) {
    if (read(path) == labels) {
      double probability = 1;
      for (std::size_t t = 0; t < steps; ++t) probability *= p[t * classes + std::size_t(path[t])];
      for (std::size_t t = 0; t < steps; ++t) {
        share[t * classes + std::size_t(path[t])] += probability;
      }
      all += probability;
    }
    more = false;
    for (std::size_t t = 0; t < steps && !more; ++t) {
      path[t] = (path[t] + 1) % std::int64_t(classes);
      more = path[t] != 0;
    }
  }
  Oracle out{-std::log(all), std::vector<double>(p.size())};
  for (std::size_t i = 0; i < p.size(); ++i) out.gradient[i] = p[i] - share[i] / all;
  return out;
}

/// Labels that so many steps can give, padded with zeros.
std::vector<std::int64_t> draw_labels(Random& random, std::int64_t steps, std::int64_t classes,
                                      std::int64_t width) {
  std::vector<std::int64_t> out(std::size_t(width), 0);
  std::int64_t needed = 0;
  for (std::size_t n = 0; n < out.size(); ++n) {
    const std::int64_t label = random.integer(1, classes - 1);
    needed += n > 0 && label == out[n - 1] ? 2 : 1;
    if (needed > steps || random.integer(0, 4) == 0) break;
    out[n] = label;
  }
  return out;
}

TEST(CtcLoss, IsTheSumOverAllPaths) {
  Random random;
  for (int round = 0; round < 20; ++round) {
    const std::int64_t rows = random.integer(1, 5), steps = random.integer(1, 6),
                       classes = random.integer(2, 4), width = random.integer(1, 4);
    const Tensor x = random.tensor({rows, steps, classes}, -3, 3), w = random.tensor({rows}, 0, 2);
    Tensor y = Tensor::empty({rows, width}, DType::kInt32);
    std::vector<Oracle> expected;
    double sum = 0;
    for (std::int64_t row = 0; row < rows; ++row) {
      std::vector<std::int64_t> labels = draw_labels(random, steps, classes, width);
      for (std::size_t n = 0; n < labels.size(); ++n) {
        y.data<std::int32_t>()[std::size_t(row * width) + n] = std::int32_t(labels[n]);
      }
      labels.erase(std::remove(labels.begin(), labels.end(), 0), labels.end());
      const auto size = std::size_t(steps * classes);
      expected.push_back(
          over_all_paths(std::as_const(x).data<float>().subspan(std::size_t(row) * size, size),
                         std::size_t(classes), labels));
      sum += expected.back().loss * w.data<float>()[std::size_t(row)];
    }
    const LossPtr loss = losses::CTC();
    const LossResult got = loss->value_and_gradient(y, x, w, 8);
    EXPECT_NEAR(got.value, sum / double(rows), 1e-5 * (1 + sum));
    EXPECT_EQ(got.value, (*loss)(y, x, w));
    EXPECT_NEAR((*losses::CTC({.reduction = Reduction::kSum}))(y, x, w), sum, 1e-5 * (1 + sum));
    const Tensor each = loss->row_losses(y, x).values;
    ASSERT_EQ(each.shape(), Shape{rows});
    ASSERT_EQ(got.gradient.shape(), x.shape());
    for (std::size_t row = 0; row < expected.size(); ++row) {
      EXPECT_NEAR(each.data<float>()[row], expected[row].loss, 1e-5 * (1 + expected[row].loss));
      const double factor = 8 * w.data<float>()[row] / double(rows);
      for (std::size_t i = 0; i < expected[row].gradient.size(); ++i) {
        EXPECT_NEAR(got.gradient.data<float>()[row * expected[row].gradient.size() + i],
                    expected[row].gradient[i] * factor, 1e-5)
            << i;
      }
    }
  }
}

TEST(CtcLoss, OfNoLabelsIsThatOfBlanksAlone) {
  Random random;
  const Tensor x = random.tensor({1, 3, 4}, -2, 2);
  double blanks = 0;
  for (std::size_t t = 0; t < 3; ++t) {
    double sum = 0;
    for (std::size_t k = 0; k < 4; ++k) sum += std::exp(double(x.data<float>()[t * 4 + k]));
    blanks += std::log(sum) - x.data<float>()[t * 4];
  }
  EXPECT_NEAR((*losses::CTC())(Tensor::zeros({1, 2}), x), blanks, 1e-5);
  EXPECT_NEAR((*losses::CTC())(Tensor::zeros({1, 0}), x), blanks, 1e-5);
}

// What cannot be costs about 1e5, as in Keras on JAX, and its derivatives are finite.
TEST(CtcLoss, OfTooFewStepsIsLargeAndFinite) {
  Random random;
  const auto loss_of = [&](std::vector<std::int32_t> labels, std::int64_t steps) {
    const auto width = std::int64_t(labels.size());
    const LossResult got = losses::CTC()->value_and_gradient(Tensor::from(labels, {1, width}),
                                                             random.tensor({1, steps, 3}));
    for (const float each : got.gradient.data<float>()) EXPECT_LE(std::fabs(each), 1);
    return got.value;
  };
  EXPECT_LT(loss_of({1, 2}, 2), 10);
  EXPECT_NEAR(loss_of({1, 2}, 1), 1e5, 10);
  EXPECT_LT(loss_of({1, 1}, 3), 10);
  EXPECT_NEAR(loss_of({1, 1}, 2), 1e5, 10) << "a blank must lie between them";
}

TEST(CtcLoss, OfLongSequencesOfLargeLogitsIsStable) {
  Random random;
  const std::int64_t steps = random.integer(1500, 2500), classes = 20, width = 150;
  const Tensor x = random.tensor({2, steps, classes}, -500, 500);
  Tensor y = random.classes({2, width}, classes - 1);
  for (std::int64_t& label : y.data<std::int64_t>()) ++label;
  const LossResult got = losses::CTC({.reduction = Reduction::kSum})->value_and_gradient(y, x);
  EXPECT_TRUE(std::isfinite(got.value));
  EXPECT_GT(got.value, 0);
  for (std::size_t t = 0; t < std::size_t(2 * steps); ++t) {
    double sum = 0;
    for (std::size_t k = 0; k < std::size_t(classes); ++k) {
      const float slope = got.gradient.data<float>()[t * std::size_t(classes) + k];
      EXPECT_LE(std::fabs(slope), 1.0001F);
      sum += slope;
    }
    EXPECT_NEAR(sum, 0, 1e-5) << t;
  }
  const Tensor none = Tensor::from<float>({0, std::nanf(""), 1, 2}, {1, 2, 2});
  EXPECT_TRUE(std::isnan((*losses::CTC())(Tensor::from<float>({1}, {1, 1}), none)));
}

// Zeros that stand among the labels of a row count as labels, as far as it has some.
TEST(CtcLoss, CountsTheLabelsThatAreNotZero) {
  Random random;
  const Tensor x = random.tensor({1, 6, 4}, -2, 2);
  const LossPtr loss = losses::CTC();
  const float one = (*loss)(Tensor::from<float>({3, 0, 0}, {1, 3}), x);
  EXPECT_EQ((*loss)(Tensor::from<float>({3}, {1, 1}), x), one);
  EXPECT_EQ((*loss)(Tensor::from<float>({3.75F, 0}, {1, 2}), x), one);
  EXPECT_NE((*loss)(Tensor::from<float>({3, 0, 1}, {1, 3}), x), one);
  EXPECT_EQ((*loss)(Tensor::from<float>({3, 0, 1}, {1, 3}), x),
            (*loss)(Tensor::from<float>({3, 0, 2}, {1, 3}), x));
  const Tensor two = random.tensor({1, 2, 2});
  EXPECT_LT((*loss)(Tensor::from<float>({1, 0, 0, 0}, {1, 4}), two), 10)
      << "as many labels as a row has logits";
}

TEST(CtcLoss, NamesWhatDoesNotFit) {
  const LossPtr loss = losses::CTC({.name = "spoken"});
  const Tensor x = Tensor::zeros({2, 5, 4}), y = Tensor::zeros({2, 3});
  const auto refusal = [&](const Tensor& labels, const Tensor& logits, const Tensor& weights = {},
                           const Tensor& mask = {}) {
    return message_of([&] { (void)(*loss)(labels, logits, weights, mask); });
  };
  EXPECT_EQ(refusal(Tensor::zeros({2}), x),
            "Targets `y_true` are expected to be a tensor of shape `(batch_size, max_length)` in "
            "integer format. Received: y_true.shape=(2,)");
  EXPECT_EQ(refusal(y, Tensor::zeros({2, 5})),
            "Logits `y_pred` are expected to be a tensor of shape `(batch_size, max_length, "
            "num_classes)`. Received: y_pred.shape=(2, 5)");
  EXPECT_THAT(refusal(y, Tensor::zeros({2, 5, 0})), HasSubstr("y_pred.shape=(2, 5, 0)"));
  EXPECT_THAT(refusal(y, Tensor::zeros({3, 5, 4})),
              AllOf(HasSubstr("spoken"), HasSubstr("(2, 3)"), HasSubstr("(3, 5, 4)")));
  for (const float label : {4.0F, -1.0F, std::nanf("")}) {
    EXPECT_THAT(refusal(Tensor::from<float>({1, 2, 0, 3, label, 0}, {2, 3}), x),
                AllOf(HasSubstr("spoken"), HasSubstr("at position 4"), HasSubstr("[0, 4)")));
  }
  EXPECT_THAT(refusal(y, x, Tensor::zeros({3})), HasSubstr("sample_weight"));
  EXPECT_THAT(refusal(y, x, {}, Tensor::zeros({2, 5}, DType::kBool)),
              HasSubstr("the mask of shape (2, 5) does not fit losses of shape (2,)"));
}

TEST(CtcLoss, TrainsAModelOfSequences) {
  Random random;
  const auto x = layers::Input({.shape = {8, 3}});
  const ModelPtr model = Functional::create(x, layers::Dense({.units = 4})(x));
  model->compile({.optimizer = optimizers::Adam({.learning_rate = 0.05}),
                  .loss = losses::get("ctc"),
                  .metrics = {"ctc"}});
  const Tensor rows = random.tensor({12, 8, 3});
  Tensor y = random.classes({12, 3}, 3);
  for (std::int64_t& label : y.data<std::int64_t>()) ++label;
  const Logs before = model->evaluate(rows, y, {.verbose = Verbose::kSilent});
  EXPECT_NEAR(before.at("ctc"), before.at("loss"), 1e-4 * before.at("loss"));
  model->fit(rows, y, {.batch_size = 5, .epochs = 10, .verbose = Verbose::kSilent});
  EXPECT_LT(model->evaluate(rows, y, {.verbose = Verbose::kSilent}).at("loss"), before.at("loss"));
  y.data<std::int64_t>()[7 * 3 + 2] = 4;
  EXPECT_THAT(
      message_of([&] { model->fit(rows, y, {.verbose = Verbose::kSilent, .shuffle = false}); }),
      AllOf(HasSubstr("the label 4 at position 2 of sample 7"), HasSubstr("[0, 4)")));
}

}  // namespace
}  // namespace lamina
