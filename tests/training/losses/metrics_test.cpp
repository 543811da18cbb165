#include <gmock/gmock.h>
#include <lamina/metrics.h>

#include <cmath>
#include <functional>
#include <limits>

#include "tests/training/helpers.h"
#include "training/by_name.h"

namespace lamina {
namespace {

using namespace test;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

const Tensor& scores() {
  static const Tensor p =
      Tensor::from<float>({.1F, .7F, .2F, .5F, .3F, .2F, .2F, .3F, .5F, .4F, .35F, .25F}, {4, 3});
  return p;
}

TEST(Metrics, CountWhatIsRight) {
  const Tensor labels = Tensor::from<std::int64_t>({1, 1, 2, 2}, {4});
  const auto sparse = metrics::SparseCategoricalAccuracy();
  sparse->update_state(labels, scores());
  EXPECT_DOUBLE_EQ(sparse->result(), 0.5);
  const auto top = metrics::SparseTopKCategoricalAccuracy(2);
  top->update_state(labels, scores());
  EXPECT_DOUBLE_EQ(top->result(), 0.75);
  Tensor one_hot = Tensor::zeros({4, 3});
  for (std::size_t i = 0; i < 4; ++i) {
    one_hot.data<float>()[i * 3 + static_cast<std::size_t>(labels.data<std::int64_t>()[i])] = 1;
  }
  const auto categorical = metrics::CategoricalAccuracy();
  categorical->update_state(one_hot, scores());
  EXPECT_DOUBLE_EQ(categorical->result(), 0.5);
  const auto top_one_hot = metrics::TopKCategoricalAccuracy(2);
  top_one_hot->update_state(one_hot, scores());
  EXPECT_DOUBLE_EQ(top_one_hot->result(), 0.75);
}

TEST(Metrics, OfTwoClassesCompareWithTheThreshold) {
  const Tensor y = Tensor::from<float>({1, 0, 1, 0}, {4, 1});
  const Tensor p = Tensor::from<float>({.6F, .6F, .4F, .4F}, {4, 1});
  const auto metric = metrics::BinaryAccuracy();
  metric->update_state(y.reshape({4}), p);
  EXPECT_DOUBLE_EQ(metric->result(), 0.5);
  const auto low = metrics::BinaryAccuracy("low", 0.3);
  low->update_state(y, p);
  EXPECT_DOUBLE_EQ(low->result(), 0.5);
  const auto exact = metrics::Accuracy();
  exact->update_state(y, Tensor::from<float>({1, 1, 1, 0}, {4, 1}));
  EXPECT_DOUBLE_EQ(exact->result(), 0.75);
}

TEST(Metrics, AddUpOverBatchesOfAnySize) {
  Random random;
  const auto whole = metrics::SparseCategoricalAccuracy(),
             parts = metrics::SparseCategoricalAccuracy();
  std::vector<float> p;
  std::vector<std::int64_t> y;
  for (const std::int64_t rows : {5, 1, 8}) {
    const Tensor batch = random.tensor({rows, 4}), labels = random.classes({rows}, 4);
    parts->update_state(labels, batch);
    p.insert(p.end(), batch.data<float>().begin(), batch.data<float>().end());
    y.insert(y.end(), labels.data<std::int64_t>().begin(), labels.data<std::int64_t>().end());
  }
  whole->update_state(Tensor::from(y, {14}), Tensor::from(p, {14, 4}));
  EXPECT_DOUBLE_EQ(parts->result(), whole->result());
}

TEST(Metrics, WeighSamplesByTheirWeights) {
  const auto metric = metrics::SparseCategoricalAccuracy();
  metric->update_state(Tensor::from<std::int64_t>({1, 1, 2, 2}, {4}), scores(),
                       Tensor::from<float>({3, 1, 0, 1}, {4}));
  EXPECT_DOUBLE_EQ(metric->result(), 0.6);
  const auto mse = metrics::get("mse", {2, 1}, {2, 1});
  mse->update_state(Tensor::zeros({2, 1}), Tensor::from<float>({1, 2}, {2, 1}),
                    Tensor::from<float>({1, 3}, {2}));
  EXPECT_DOUBLE_EQ(mse->result(), 13.0 / 4);
  EXPECT_EQ(mse->name(), "mse");
}

TEST(Metrics, OfLossesCountRowsOfAnIgnoredClassUnlessThereAreWeights) {
  const auto loss = losses::SparseCategoricalCrossentropy({.ignore_class = 1});
  const Tensor y = Tensor::from<std::int32_t>({0, 1, 2, 1}, {4});
  const Tensor p = Tensor::from<float>({.5F, .25F, .25F, .5F, .25F, .25F,  //
                                        .5F, .25F, .25F, .5F, .25F, .25F},
                                       {4, 3});
  const auto result = [&](const Shape& rows, const Tensor& weights) {
    Shape shape = rows;
    shape.push_back(3);
    const auto metric = metrics::MeanOf(loss);
    metric->update_state(y.reshape(rows), p.reshape(shape), weights);
    return metric->result();
  };
  const double first = std::log(2.0), third = std::log(4.0);
  EXPECT_NEAR(result({4}, {}), (first + third) / 4, 1e-6);
  EXPECT_NEAR(result({2, 2}, {}), (first + third) / 4, 1e-6);
  EXPECT_NEAR(result({4}, Tensor::from<float>({1, 2, 3, 4}, {4})), (first + 3 * third) / 4, 1e-6);
  EXPECT_NEAR(result({2, 2}, Tensor::from<float>({1, 2, 3, 4}, {2, 2})), (first + 3 * third) / 4,
              1e-6);
  EXPECT_EQ(result({4}, Tensor::from<float>({0, 2, 0, 4}, {4})), 0) << "none counts";
}

TEST(Metrics, OfLossesAreMeansWhateverTheReduction) {
  Random random;
  const Tensor weights = random.tensor({9}, 0.5, 2);
  double sum = 0, weighted = 0, count = 0;
  std::vector<std::pair<Tensor, Tensor>> batches;
  for (const std::int64_t rows : {4, 9}) {
    batches.emplace_back(random.tensor({rows, 1}), random.tensor({rows, 1}));
    for (std::size_t i = 0; i < static_cast<std::size_t>(rows); ++i) {
      const double error = double(batches.back().first.data<float>()[i]) -
                           double(batches.back().second.data<float>()[i]);
      sum += error * error;
      if (rows != 9) continue;
      weighted += error * error * double(weights.data<float>()[i]);
      count += double(weights.data<float>()[i]);
    }
  }
  for (const Reduction reduction :
       {Reduction::kSumOverBatchSize, Reduction::kSum, Reduction::kMeanWithSampleWeight}) {
    const auto metric = metrics::MeanOf(losses::MeanSquaredError({.reduction = reduction}));
    for (const auto& [y, p] : batches) metric->update_state(y, p);
    EXPECT_NEAR(metric->result(), sum / 13, 1e-5 * (1 + sum));
    metric->reset_state();
    metric->update_state(batches[1].first, batches[1].second, weights);
    EXPECT_NEAR(metric->result(), weighted / count, 1e-5 * (1 + weighted));
  }
}

TEST(Metrics, CountSamplesHoweverManyRowsTheyHave) {
  const auto metric = metrics::SparseCategoricalAccuracy();
  const auto update = [&](std::int64_t rows, bool right, const Tensor& weights = {}) {
    Tensor y_pred = Tensor::zeros({2, rows, 3});
    for (std::size_t i = 0; i < static_cast<std::size_t>(2 * rows); ++i) {
      y_pred.data<float>()[3 * i + (right ? 0U : 1U)] = 1;
    }
    metric->update_state(Tensor::zeros({2, rows}), y_pred, weights);
  };
  update(2, true);
  update(6, false);
  EXPECT_DOUBLE_EQ(metric->result(), 0.5);
  metric->reset_state();
  update(2, true, Tensor::from<float>({1, 2, 3, 4}, {2, 2}));  // counts (1 + 2 + 3 + 4) / 2
  update(6, false, Tensor::from<float>({2, 3}, {2}));
  EXPECT_DOUBLE_EQ(metric->result(), 0.5);
  EXPECT_DOUBLE_EQ(metric->state()[1], 10);
  metric->reset_state();
  update(4, true, Tensor::from<float>({1, 2}, {2, 1}));
  update(1, false, Tensor::from<float>({3, 3}, {2}));
  EXPECT_DOUBLE_EQ(metric->result(), 3.0 / 9);
}

TEST(Metrics, OfElementsWeighThemOneByOne) {
  const Tensor y = Tensor::from<float>({1, 0, 1, 1, 1, 1}, {2, 3});
  const Tensor p = Tensor::from<float>({1, 1, 1, 1, 0, 0}, {2, 3});
  const auto result = [&](const Tensor& weights) {
    const auto metric = metrics::BinaryAccuracy();
    metric->update_state(y, p, weights);
    return metric->result();
  };
  EXPECT_DOUBLE_EQ(result({}), 0.5);
  EXPECT_DOUBLE_EQ(result(Tensor::from<float>({3, 1}, {2})), (3 * 2.0 / 3 + 1.0 / 3) / 4);
  EXPECT_DOUBLE_EQ(result(Tensor::from<float>({1, 2, 3, 4, 5, 6}, {2, 3})), 8.0 / 21);
  EXPECT_DOUBLE_EQ(result(Tensor::from<float>({0, 1, 2}, {1, 3})), 2.0 / 6);
  EXPECT_THAT(message_of([&] { (void)result(Tensor::zeros({3})); }),
              AllOf(HasSubstr("binary_accuracy"), HasSubstr("`sample_weight` of shape (3,)"),
                    HasSubstr("(2, 3)")));
}

TEST(Metrics, AreCalledWhatTheyWereAskedForAs) {
  for (const char* name : {"accuracy",
                           "acc",
                           "Accuracy",
                           "ACC",
                           "BinaryAccuracy",
                           "binary_accuracy",
                           "CategoricalAccuracy",
                           "categorical_accuracy",
                           "SparseCategoricalAccuracy",
                           "sparse_categorical_accuracy",
                           "TopKCategoricalAccuracy",
                           "top_k_categorical_accuracy",
                           "SparseTopKCategoricalAccuracy",
                           "sparse_top_k_categorical_accuracy",
                           "mse",
                           "MSE",
                           "MeanSquaredError",
                           "AUC",
                           "auc",
                           "precision",
                           "cosine_similarity",
                           "log_cosh_error",
                           "r2_score"}) {
    EXPECT_EQ(metrics::get(name, {2, 3}, {2, 3})->name(), name);
  }
}

TEST(Metrics, StartAnewAndTakeTheirStateBack) {
  metrics::Mean mean;
  EXPECT_EQ(mean.result(), 0);
  mean.update(2);
  mean.update(5, 2);
  EXPECT_DOUBLE_EQ(mean.result(), 4);
  metrics::Mean other;
  other.set_state(mean.state());
  other.update(0);
  EXPECT_DOUBLE_EQ(other.result(), 3);
  mean.reset_state();
  EXPECT_EQ(mean.result(), 0);
  EXPECT_THROW(mean.set_state({1}), ValueError);
}

TEST(Metrics, NamedAccuracyFitsTheShapes) {
  const auto kind = [](const Shape& y, const Shape& p) {
    const auto metric = metrics::get("accuracy", y, p);
    EXPECT_EQ(metric->name(), "accuracy");
    return metric;
  };
  const auto binary = kind({2, 1}, {2, 1});
  binary->update_state(Tensor::from<float>({1, 0}, {2, 1}),
                       Tensor::from<float>({.9F, .9F}, {2, 1}));
  EXPECT_DOUBLE_EQ(binary->result(), 0.5);
  const auto sparse = kind({2}, {2, 3});
  sparse->update_state(Tensor::from<std::int32_t>({2, 0}, {2}),
                       Tensor::from<float>({0, 0, 1, 0, 0, 1}, {2, 3}));
  EXPECT_DOUBLE_EQ(sparse->result(), 0.5);
  const auto categorical = kind({1, 3}, {1, 3});
  categorical->update_state(Tensor::from<float>({0, 0, 1}, {1, 3}),
                            Tensor::from<float>({0, 0, 9}, {1, 3}));
  EXPECT_DOUBLE_EQ(categorical->result(), 1);
}

TEST(Metrics, NameWhatDoesNotFit) {
  const auto metric = metrics::SparseCategoricalAccuracy();
  EXPECT_THAT(
      message_of([&] { metric->update_state(Tensor::zeros({3}), scores()); }),
      AllOf(HasSubstr("sparse_categorical_accuracy"), HasSubstr("(3,)"), HasSubstr("(4, 3)")));
  EXPECT_THAT(message_of([] { (void)metrics::get("nonsense", {1}, {1}); }),
              AllOf(HasSubstr("nonsense"), HasSubstr("CategoricalAccuracy")));
}

/// Four samples of two classes, half of them right.
struct TwoClasses {
  Tensor y = Tensor::from<float>({1, 0, 1, 0}, {4, 1});
  Tensor p = Tensor::from<float>({.9F, .6F, .4F, .1F}, {4, 1});

  double result(const MetricPtr& metric, const Tensor& weights = {}) const {
    metric->update_state(y, p, weights);
    return metric->result();
  }
};

TEST(Metrics, CountWhatIsOnEitherSideOfAThreshold) {
  const TwoClasses data;
  EXPECT_EQ(data.result(metrics::TruePositives()), 1);
  EXPECT_EQ(data.result(metrics::FalsePositives()), 1);
  EXPECT_EQ(data.result(metrics::TrueNegatives()), 1);
  EXPECT_EQ(data.result(metrics::FalseNegatives()), 1);
  EXPECT_EQ(data.result(metrics::TruePositives({.thresholds = 0.3})), 2);
  EXPECT_EQ(data.result(metrics::Precision()), 0.5);
  EXPECT_EQ(data.result(metrics::Precision({.thresholds = 0.7})), 1);
  EXPECT_EQ(data.result(metrics::Precision({.thresholds = 0.95})), 0) << "nothing is positive";
  EXPECT_EQ(data.result(metrics::Recall({.thresholds = 0.3})), 1);
  EXPECT_EQ(data.result(metrics::Recall(), Tensor::from<float>({3, 1, 1, 1}, {4})), 0.75);
  EXPECT_THROW((void)metrics::Precision({.thresholds = 1.5}), ValueError);
  for (const std::int64_t class_id : {-1, 1}) {
    EXPECT_THROW((void)data.result(metrics::Recall({.class_id = class_id})), ValueError);
  }
}

TEST(Metrics, OfCurvesAreTheAreasUnderThem) {
  const TwoClasses data;
  EXPECT_NEAR(data.result(metrics::AUC()), 0.75, 1e-6);
  // (0, 1), (1/2, 1), (1/2, 1/2), (1, 2/3), (1, 1/2) of recall and precision.
  using Method = metrics::AUCSummationMethod;
  const auto under_precision = [&](Method method) {
    return data.result(metrics::AUC({.curve = metrics::AUCCurve::kPR, .summation_method = method}));
  };
  EXPECT_NEAR(under_precision(Method::kMinoring), 0.25, 1e-6);
  EXPECT_NEAR(under_precision(Method::kMajoring), 0.5 + 0.5 * 2 / 3, 1e-6);
  EXPECT_NEAR(data.result(metrics::SensitivityAtSpecificity(0.9)), 0.5, 1e-6);
  EXPECT_NEAR(data.result(metrics::SpecificityAtSensitivity(0.9)), 0.5, 1e-6);
  EXPECT_NEAR(data.result(metrics::PrecisionAtRecall(0.9)), 2.0 / 3, 1e-6);
  EXPECT_NEAR(data.result(metrics::RecallAtPrecision(0.6)), 1, 1e-6);
  EXPECT_THROW((void)metrics::AUC({.num_thresholds = 1}), ValueError);
  EXPECT_EQ(message_of([] {
              (void)metrics::AUC({.thresholds = {1.5, .5, kNaN, -.25}});
            }),
            "Threshold values must be in [0, 1]. Received: [1.5, nan, -0.25]");
  EXPECT_THROW((void)metrics::RecallAtPrecision(1.5), ValueError);
}

TEST(Metrics, OfClassesCountEachOrAllTogether) {
  const Tensor y = Tensor::from<float>({1, 0, 0, 1, 0, 0, 0, 1, 0}, {3, 3});
  const Tensor p = Tensor::from<float>({.8F, .1F, .1F, .2F, .7F, .1F, 0, 0, 0}, {3, 3});
  const auto result = [&](metrics::Average average) {
    const auto metric = metrics::F1Score(average);
    metric->update_state(y, p);
    return metric->result();
  };
  EXPECT_NEAR(result(metrics::Average::kMicro), 2 * 0.5 * (1.0 / 3) / (0.5 + 1.0 / 3), 1e-6);
  EXPECT_NEAR(result(metrics::Average::kMacro), (2.0 / 3) / 3, 1e-6) << "zeros are no prediction";
  EXPECT_NEAR(result(metrics::Average::kWeighted), (2.0 / 3) * (2.0 / 3), 1e-6);
  const auto iou = metrics::MeanIoU(2);
  iou->update_state(Tensor::from<float>({0, 0, 1, 1}, {4}), Tensor::from<float>({0, 1, 0, 1}, {4}));
  EXPECT_NEAR(iou->result(), 1.0 / 3, 1e-6);
  EXPECT_THROW((void)metrics::IoU(2, {2}), ValueError);
  EXPECT_THROW((void)metrics::FBetaScore(metrics::Average::kMacro, {.beta = 0}), ValueError);
  EXPECT_THROW((void)metrics::FBetaScore(metrics::Average::kMacro, {.beta = kNaN}), ValueError);
}

TEST(Metrics, ThatHaveCountedNothingYetHaveTheStateOfNothing) {
  const Tensor y = Tensor::from<float>({0, 1, 1}, {3, 1}),
               p = Tensor::from<float>({0, 1, 0}, {3, 1});
  for (const auto& make : std::vector<std::function<MetricPtr()>>{
           [] { return metrics::MeanIoU(3); }, [] { return metrics::AUC(); },
           [] { return metrics::Precision(); }}) {
    const MetricPtr fresh = make(), used = make(), reset = make();
    EXPECT_EQ(fresh->result(), 0);
    used->update_state(y, p);
    EXPECT_GT(used->result(), 0);
    EXPECT_EQ(used->state().size(), fresh->state().size());
    reset->update_state(y, p);
    reset->reset_state();
    EXPECT_EQ(reset->state(), fresh->state());
    fresh->set_state(used->state());
    EXPECT_EQ(fresh->result(), used->result());
    fresh->update_state(y, p);
    used->update_state(y, p);
    EXPECT_EQ(fresh->state(), used->state());
  }
}

TEST(Metrics, OfIntersectionsCutOffWeightsOfAnySize) {
  const auto result = [](float weight) {
    const auto iou = metrics::IoU(2, {0});
    iou->update_state(Tensor::from<float>({0, 0, 1}, {3}), Tensor::from<float>({0, 1, 1}, {3}),
                      Tensor::from<float>({weight, weight, 1}, {3}));
    return iou->result();
  };
  EXPECT_NEAR(result(2.9F), 0.5, 1e-6);
  EXPECT_EQ(result(0.9F), 0);
  EXPECT_NEAR(result(1e30F), 0.5, 1e-6);
  EXPECT_TRUE(std::isnan(result(static_cast<float>(kNaN))));
}

TEST(Metrics, OfNumbersAreTheirFormulas) {
  const Tensor y = Tensor::from<float>({1, 4, 2, 3}, {4, 1});
  const Tensor p = Tensor::from<float>({2, 4, 2, 2}, {4, 1});
  const auto result = [&](const MetricPtr& metric) {
    metric->update_state(y, p);
    return metric->result();
  };
  EXPECT_NEAR(result(metrics::RootMeanSquaredError()), std::sqrt(0.5), 1e-6);
  EXPECT_TRUE(std::isnan(metrics::R2Score()->result()));
  EXPECT_NEAR(result(metrics::R2Score()), 1 - 2.0 / 5, 1e-6);
  EXPECT_NEAR(result(metrics::R2Score({.num_regressors = 1})), 1 - (2.0 / 5) * 3 / 2, 1e-6);
  EXPECT_NEAR(result(metrics::CosineSimilarity()), 1, 1e-6);
  const auto correlation = metrics::PearsonCorrelation();
  correlation->update_state(Tensor::from<float>({1, 2, 3}, {1, 3}),
                            Tensor::from<float>({2, 4, 6}, {1, 3}));
  EXPECT_NEAR(correlation->result(), 1, 1e-6);
}

std::vector<MetricPtr> metrics_with_state() {
  return {metrics::Precision({.top_k = 2}),
          metrics::AUC(),
          metrics::F1Score(metrics::Average::kMacro),
          metrics::FBetaScore(metrics::Average::kMicro, {.beta = 2, .threshold = 0.4}),
          metrics::OneHotMeanIoU(4),
          metrics::R2Score(),
          metrics::RootMeanSquaredError(),
          metrics::CosineSimilarity()};
}

TEST(Metrics, GoOnFromAStateThatIsAsLongBeforeTheFirstBatch) {
  Random random;
  const auto whole = metrics_with_state(), first = metrics_with_state(),
             second = metrics_with_state();
  for (std::size_t i = 0; i < whole.size(); ++i) {
    const MetricPtr& metric = whole[i];
    second[i]->build({kNone, 4}, {kNone, 4});
    const std::size_t length = second[i]->state().size();
    for (const std::int64_t rows : {5, 9}) {
      const Tensor y = random.classes({rows, 4}, 2), p = random.tensor({rows, 4}, 0, 1);
      metric->update_state(y, p);
      if (rows == 5) {
        first[i]->update_state(y, p);
        second[i]->set_state(first[i]->state());
      } else {
        second[i]->update_state(y, p);
      }
    }
    EXPECT_EQ(metric->state().size(), length) << metric->name();
    EXPECT_EQ(second[i]->result(), metric->result()) << metric->name();
    EXPECT_THROW(metric->set_state({}), ValueError) << metric->name();
    metric->reset_state();
    EXPECT_EQ(metric->state(), std::vector<double>(length)) << metric->name();
  }
}

TEST(Metrics, OfOutputsHaveToKnowHowManyThereAre) {
  const auto length = [](const MetricPtr& metric, const Shape& y_true, const Shape& y_pred) {
    metric->build(y_true, y_pred);
    return metric->state().size();
  };
  const auto score = [] { return metrics::F1Score(metrics::Average::kMacro); };
  EXPECT_EQ(length(score(), {kNone, 5}, {kNone, kNone}), 20U);
  EXPECT_EQ(length(score(), {kNone, kNone}, {kNone, 5}), 20U);
  EXPECT_EQ(length(metrics::R2Score(), {kNone, 3}, {kNone, kNone}), 13U);
  EXPECT_EQ(length(metrics::R2Score(), {7}, {kNone, kNone}), 5U);
  const Shape unknown = {kNone, kNone};
  EXPECT_THAT(
      message_of([&] { (void)length(score(), unknown, unknown); }),
      AllOf(HasSubstr("FBetaScore"), HasSubstr("fully defined"), HasSubstr("(None, None)")));
  EXPECT_THAT(message_of([&] { (void)length(metrics::R2Score(), unknown, unknown); }),
              AllOf(HasSubstr("R2Score"), HasSubstr("fully defined")));
}

TEST(Metrics, AreMadeOfWordsWithOptions) {
  const MetricPtr precision = training::make_metric("Precision:thresholds=0.3,name=p");
  EXPECT_EQ(precision->name(), "p");
  EXPECT_EQ(TwoClasses().result(precision), 2.0 / 3);
  EXPECT_EQ(training::make_metric("AUC:curve=PR")->name(), "auc");
  EXPECT_EQ(training::make_metric("Huber:delta=0.5")->name(), "huber_loss");
  EXPECT_THAT(message_of([] {
                (void)metrics::get("F1Score", {2, 3}, {2, 3});
              }),
              HasSubstr("needs the option average: micro, macro or weighted"));
  EXPECT_THAT(message_of([] { (void)training::make_metric("AUC:curve=LIFT"); }),
              HasSubstr("curve=LIFT should be one of ROC, PR, PRGAIN"));
  for (const char* nothing :
       {"AUC:curve=", "AUC:summation_method=", "R2Score:class_aggregation=", "F1Score:average="}) {
    EXPECT_THAT(message_of([&] { (void)training::make_metric(nothing); }),
                HasSubstr("= should be one of"))
        << nothing;
  }
  const auto result = [](const char* words) {
    return TwoClasses().result(training::make_metric(words));
  };
  EXPECT_EQ(result("AUC:curve=pr,summation_method=Minoring"),
            result("AUC:curve=PR,summation_method=minoring"));
  EXPECT_EQ(result("AUC:curve=roc,summation_method=Majoring"),
            result("AUC:curve=ROC,summation_method=majoring"));
  EXPECT_EQ(result("AUC:curve=prgain,summation_method=Interpolation"),
            result("AUC:curve=PRGAIN,summation_method=interpolation"));
  EXPECT_THAT(message_of([] { (void)training::make_metric("accuracy:name=x"); }),
              AllOf(HasSubstr("'accuracy' takes no options"), HasSubstr("BinaryAccuracy")));
  EXPECT_THAT(message_of([] { (void)training::make_metric("MeanIoU:ignore_class=1"); }),
              HasSubstr("MeanIoU needs the option num_classes"));
}

}  // namespace
}  // namespace lamina
