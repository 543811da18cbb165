// Weights of samples, one for all outputs or one for each, in losses and in weighted metrics; and
// the epochs at whose end is validated.
#include <gmock/gmock.h>

#include "tests/training/fit_helpers.h"

namespace lamina {
namespace {

using namespace test;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr std::int64_t kRows = 20;

/// The mean of what `each` says of a row, by weights where there are any.
template <class F>
double mean(const Tensor& weights, const F& each, bool over_weights) {
  double sum = 0, count = 0;
  for (std::size_t i = 0; i < kRows; ++i) {
    const double weight = weights.defined() ? double(weights.data<float>()[i]) : 1.0;
    sum += weight * each(i);
    count += over_weights ? weight : 1.0;
  }
  return sum / count;
}

/// A model with outputs "a" and "b" of one number each, and data for it.
class SamplesWeighted : public ::testing::Test {
 protected:
  ModelPtr model(CompileArguments arguments) const {
    set_random_seed(5);
    const auto in = layers::Input({.shape = {3}});
    const ModelPtr made = Functional::create({in}, {layers::Dense({.units = 1, .name = "a"})(in),
                                                    layers::Dense({.units = 1, .name = "b"})(in)});
    made->compile(std::move(arguments));
    return made;
  }
  /// Of an output's predictions before a step, row by row.
  std::function<double(std::size_t)> errors(Model& model, std::size_t output, bool squared) const {
    const Tensor predicted = model.predict(x_)[output];
    return [predicted, labels = y_[output], squared](std::size_t i) {
      const double apart = double(predicted.data<float>()[i]) - labels.data<float>()[i];
      return squared ? apart * apart : std::abs(apart);
    };
  }

  Random random_;
  const std::vector<Tensor> x_ = {random_.tensor({kRows, 3})};
  const std::vector<Tensor> y_ = {random_.tensor({kRows, 1}), random_.tensor({kRows, 1})};
  const Tensor first_ = random_.tensor({kRows}, 0, 2), second_ = random_.tensor({kRows, 1}, 0, 2);
};

TEST_F(SamplesWeighted, EachOutputHasItsOwn) {
  const ModelPtr trained =
      model({.optimizer = "sgd", .loss = {"mse", "mae"}, .loss_weights = {0.5, 2.0}});
  const double a = mean(first_, errors(*trained, 0, true), false);
  const double b = mean(second_, errors(*trained, 1, false), false);
  const double plain = mean({}, errors(*trained, 1, false), false);
  const Logs both = trained->test_on_batch(x_, y_, {first_, second_});
  EXPECT_NEAR(both.at("a_loss"), a, 1e-5);
  EXPECT_NEAR(both.at("b_loss"), b, 1e-5);
  EXPECT_NEAR(both.at("loss"), 0.5 * a + 2 * b, 1e-5);
  EXPECT_NEAR(trained
                  ->evaluate(x_, y_,
                             {.batch_size = kRows,
                              .verbose = Verbose::kSilent,
                              .sample_weight = {first_, Tensor()}})
                  .at("b_loss"),
              plain, 1e-5);
  EXPECT_NEAR(trained->train_on_batch(x_, y_, {first_, Tensor()}).at("loss"), 0.5 * a + 2 * plain,
              1e-5);
}

TEST_F(SamplesWeighted, OneForAllIsTheSameForEach) {
  const auto compiled = [&] { return model({.optimizer = "adam", .loss = {"mse", "mae"}}); };
  const ModelPtr one = compiled(), each = compiled(), other = compiled();
  const auto fit = [&](const ModelPtr& model, SampleWeights weights) {
    return model->fit(x_, y_,
                      {.batch_size = 7,
                       .epochs = 2,
                       .verbose = Verbose::kSilent,
                       .validation_split = 0.25,
                       .sample_weight = std::move(weights),
                       .seed = 1});
  };
  EXPECT_EQ(fit(one, first_).history, fit(each, {first_, first_}).history);
  expect_same_bits(*one, *each);
  (void)fit(other, {first_, second_});
  EXPECT_FALSE(bitwise_equal(one->variables()[2]->value(), other->variables()[2]->value()));
}

TEST_F(SamplesWeighted, AnArrayForEachOutputIsNeeded) {
  const ModelPtr compiled = model({.optimizer = "sgd", .loss = {"mse", "mae"}});
  EXPECT_THAT(message_of([&] { (void)compiled->train_on_batch(x_, y_, {first_}); }),
              AllOf(HasSubstr("You should provide one `sample_weight` array per output in `y`."),
                    HasSubstr("2 label arrays and 1 of `sample_weight`")));
  const Tensor few = Tensor::zeros({kRows - 1});
  EXPECT_THAT(
      message_of([&] {
        (void)compiled->fit(x_, y_, {.verbose = Verbose::kSilent, .sample_weight = {first_, few}});
      }),
      HasSubstr("input 0 has 20 samples and `sample_weight` 1 has 19"));
}

TEST_F(SamplesWeighted, WeightedMetricsHeedThemAndOthersDoNot) {
  const ModelPtr compiled = model({.optimizer = "sgd",
                                   .loss = {"mse", "mse"},
                                   .metrics = {{"mae"}, {"mae"}},
                                   .weighted_metrics = {{"mae", "mse"}, {"mae", "mae"}}});
  const auto a = errors(*compiled, 0, false), b = errors(*compiled, 1, false);
  const double squared = mean(first_, errors(*compiled, 0, true), true);
  const Logs logs = compiled->test_on_batch(x_, y_, {first_, second_});
  EXPECT_THAT(logs, SizeIs(9));
  EXPECT_NEAR(logs.at("a_mae"), mean({}, a, true), 1e-5);
  EXPECT_NEAR(logs.at("a_weighted_mae"), mean(first_, a, true), 1e-5);
  EXPECT_NEAR(logs.at("a_mse"), squared, 1e-5);
  EXPECT_NEAR(logs.at("b_mae"), mean({}, b, true), 1e-5);
  EXPECT_NEAR(logs.at("b_weighted_mae"), mean(second_, b, true), 1e-5);
  EXPECT_NEAR(logs.at("b_weighted_mae_1"), logs.at("b_weighted_mae"), 1e-12);
  const Logs plain = compiled->train_on_batch(x_, y_);
  EXPECT_NEAR(plain.at("a_weighted_mae"), plain.at("a_mae"), 1e-6);
}

TEST_F(SamplesWeighted, WeightedMetricsMayBeOfSomeOutputsAndOfNoOthers) {
  const ModelPtr some = model({.optimizer = "sgd",
                               .loss = "mse",
                               .weighted_metrics = {{"b", {metrics::MeanOf(losses::Huber())}}}});
  const Logs logs = some->train_on_batch(x_, y_, second_);
  EXPECT_THAT(logs, SizeIs(4));
  EXPECT_TRUE(logs.contains("b_huber_loss"));
  const ModelPtr none =
      model({.optimizer = "sgd", .loss = "mse", .weighted_metrics = {{"c", {"mae"}}}});
  EXPECT_THAT(message_of([&] { (void)none->train_on_batch(x_, y_); }),
              AllOf(HasSubstr("Invalid `weighted_metrics`. `weighted_metrics` should contain"),
                    HasSubstr("Received: weighted_metrics={'c': ['mae']}")));
}

TEST(WeightedMetrics, HeedClassWeights) {
  Random random;
  const Spokes data(random, 60);
  const ModelPtr model = classifier(5, 0.0);
  model->compile({.optimizer = optimizers::SGD({.learning_rate = 0}),
                  .loss = "sparse_categorical_crossentropy",
                  .metrics = {"accuracy"},
                  .weighted_metrics = {"accuracy"}});
  const std::map<std::int64_t, double> classes = {{0, 0.0}, {1, 0.0}};
  const History run = model->fit(
      data.x, data.y, {.batch_size = 60, .verbose = Verbose::kSilent, .class_weight = classes});
  Tensor third = Tensor::zeros({60});
  for (std::size_t i = 0; i < 60; ++i) {
    third.data<float>()[i] = data.y.data<std::int64_t>()[i] == 2 ? 1.0F : 0.0F;
  }
  const ModelPtr other = classifier(5, 0.0);
  other->compile({.optimizer = optimizers::SGD({.learning_rate = 0}),
                  .loss = "sparse_categorical_crossentropy",
                  .weighted_metrics = {"accuracy"}});
  const Logs logs = other->train_on_batch(data.x, data.y, third);
  EXPECT_NEAR(run.history.at("weighted_accuracy").at(0), logs.at("accuracy"), 1e-6);
}

TEST(ValidationFreq, MayBeAListOfEpochs) {
  Random random;
  const Spokes data(random, 30);
  const auto validated = [&](ValidationFreq freq, std::int64_t initial_epoch) {
    const ModelPtr model = classifier(5, 0.0);
    model->compile({.optimizer = "sgd", .loss = "sparse_categorical_crossentropy"});
    std::vector<std::int64_t> epochs;
    (void)model->fit(data.x, data.y,
                     {.epochs = 6,
                      .verbose = Verbose::kSilent,
                      .callbacks = {callbacks::LambdaCallback(
                          {.on_epoch_end =
                               [&](FitRun&, std::int64_t epoch, const Logs& logs) {
                                 if (logs.contains("val_loss")) epochs.push_back(epoch + 1);
                               }})},
                      .validation_split = 0.2,
                      .validation_freq = std::move(freq),
                      .initial_epoch = initial_epoch});
    return epochs;
  };
  EXPECT_THAT(validated({1, 4, 5, 9}, 0), ElementsAre(1, 4, 5));
  EXPECT_THAT(validated({2}, 0), ElementsAre(2));
  EXPECT_THAT(validated(2, 0), ElementsAre(2, 4, 6));
  EXPECT_THAT(validated({2, 6, 3}, 2), ElementsAre(3, 6));
  EXPECT_THAT(validated(std::vector<std::int64_t>{}, 0), ElementsAre());
  EXPECT_THAT(message_of([&] { (void)validated(0, 0); }), HasSubstr("validation_freq"));
}

}  // namespace
}  // namespace lamina
