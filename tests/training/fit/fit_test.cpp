#include <gmock/gmock.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "tests/training/fit_helpers.h"
#include "training/fit/data.h"

namespace lamina {
namespace {

using namespace test;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

void compile(Model& model, double rate = 0.02) {
  model.compile({.optimizer = optimizers::Adam({.learning_rate = rate}),
                 .loss = "sparse_categorical_crossentropy",
                 .metrics = {"accuracy"}});
}

TEST(Fit, LearnsAndReportsWhatItLearned) {
  Random random;
  const Spokes data(random, 300);
  const ModelPtr model = classifier(1, 0.1);
  compile(*model);
  const History history = model->fit(
      data.x, data.y, {.epochs = 15, .verbose = Verbose::kSilent, .validation_split = 0.2});
  ASSERT_EQ(history.epoch.size(), 15U);
  for (const char* name : {"loss", "accuracy", "val_loss", "val_accuracy"}) {
    EXPECT_EQ(history.history.at(name).size(), 15U) << name;
  }
  EXPECT_LT(history.history.at("loss").back(), history.history.at("loss").front());
  EXPECT_GT(history.history.at("val_accuracy").back(), 0.85);
  const Logs logs = model->evaluate(data.x, data.y, {.verbose = Verbose::kSilent});
  EXPECT_GT(logs.at("accuracy"), 0.85);
  EXPECT_EQ(model->optimizer()->iterations(), 15 * 8);  // 240 samples in batches of 32
}

TEST(Fit, IsReproducibleToTheBitAndFollowsItsSeed) {
  Random random;
  const Spokes data(random);
  const auto run = [&](std::uint64_t seed) {
    const ModelPtr model = classifier();
    compile(*model);
    (void)model->fit(data.x, data.y,
                     {.batch_size = 17, .epochs = 3, .verbose = Verbose::kSilent, .seed = seed});
    return model;
  };
  const ModelPtr a = run(3), b = run(3), c = run(4);
  expect_same_bits(*a, *b);
  EXPECT_FALSE(bitwise_equal(a->variables()[0]->value(), c->variables()[0]->value()));
}

TEST(Fit, WithoutShufflingIsTheSameAsItsBatchesOneByOne) {
  Random random;
  const Spokes data(random, 50);
  const ModelPtr a = classifier(5, 0.0), b = classifier(5, 0.0);
  compile(*a);
  compile(*b);
  (void)a->fit(data.x, data.y,
               {.batch_size = 16, .verbose = Verbose::kSilent, .shuffle = false, .seed = 1});
  const training::Data all({data.x, data.y}, "the data");
  for (std::int64_t begin = 0; begin < 50; begin += 16) {
    const training::Batch batch = all.slice(begin, std::min<std::int64_t>(16, 50 - begin));
    (void)b->train_on_batch(batch.x, batch.y);
  }
  expect_same_bits(*a, *b);
}

TEST(Fit, WeighsSamplesAndClasses) {
  Random random;
  const Spokes data(random, 64);
  Tensor weights = Tensor::empty({64});
  for (std::size_t i = 0; i < 64; ++i) {
    weights.data<float>()[i] = data.y.data<std::int64_t>()[i] == 1 ? 3.0F : 1.0F;
  }
  const ModelPtr a = classifier(5, 0.0), b = classifier(5, 0.0), c = classifier(5, 0.0);
  for (const ModelPtr& model : {a, b, c}) compile(*model);
  const auto options = [](FitOptions o) {
    o.verbose = Verbose::kSilent;
    o.seed = 1;
    return o;
  };
  (void)a->fit(data.x, data.y, options({.sample_weight = weights}));
  (void)b->fit(data.x, data.y, options({.class_weight = {{1, 3.0}}}));
  (void)c->fit(data.x, data.y, options({}));
  expect_same_bits(*a, *b);
  EXPECT_FALSE(bitwise_equal(a->variables()[0]->value(), c->variables()[0]->value()));
}

TEST(Fit, RoundsLabelsToClassesAsKerasDoes) {
  training::Data data({Tensor::zeros({5, 1}),
                       Tensor::from(std::vector<float>{0.5F, 1.5F, 2.5F, 0.6F, -0.5F}, {5, 1})},
                      "the data");
  data.weigh({{0, 3.0}, {1, 5.0}, {2, 7.0}});
  const Tensor weights = data.set().sample_weight.of(0);
  EXPECT_THAT(std::vector<float>(weights.data<float>().begin(), weights.data<float>().end()),
              ElementsAre(3, 7, 7, 5, 3));
}

TEST(Fit, TakesModelsWithSeveralInputsAndOutputs) {
  Random random;
  const auto a = layers::Input({.shape = {3}, .name = "a"}),
             b = layers::Input({.shape = {2}, .name = "b"});
  const auto joined = layers::Concatenate()({a, b});
  const auto number = layers::Dense({.units = 1, .name = "number"})(joined);
  const auto kind = layers::Dense({.units = 4, .name = "kind"})(joined);
  const auto model = Functional::create({a, b}, {number, kind});
  model->compile({.optimizer = "sgd",
                  .loss = {"mse", losses::SparseCategoricalCrossentropy({.from_logits = true})},
                  .metrics = {"mae", "accuracy"},
                  .loss_weights = {1.0, 0.5}});
  const std::vector<Tensor> x = {random.tensor({20, 3}), random.tensor({20, 2})};
  EXPECT_THAT(message_of([&] {
                (void)model->fit(x, {random.tensor({20, 1})}, {.verbose = Verbose::kSilent});
              }),
              AllOf(HasSubstr("2 outputs"), HasSubstr("1 label arrays")));
  const auto one_metric_each = Functional::create({a, b}, {number, kind});
  one_metric_each->compile(
      {.optimizer = "sgd",
       .loss = {"mse", losses::SparseCategoricalCrossentropy({.from_logits = true})},
       .loss_weights = {1.0, 0.5}});
  const Logs logs =
      one_metric_each->train_on_batch(x, {random.tensor({20, 1}), random.classes({20}, 4)});
  EXPECT_NEAR(logs.at("loss"), logs.at("number_loss") + 0.5 * logs.at("kind_loss"), 1e-6);
}

/// A model with outputs "kind" and "number", and data for it.
struct TwoOutputs {
  Random random;
  ModelPtr model;
  std::vector<Tensor> x, y;

  TwoOutputs() {
    const auto in = layers::Input({.shape = {3}});
    model = Functional::create(
        {in}, {layers::Dense({.units = 4, .activation = "softmax", .name = "kind"})(in),
               layers::Dense({.units = 1, .name = "number"})(in)});
    x = {random.tensor({20, 3})};
    y = {random.classes({20}, 4), random.tensor({20, 1})};
  }
  Logs evaluate(std::vector<MetricArgument> metrics) {
    model->compile({.optimizer = "sgd",
                    .loss = {"sparse_categorical_crossentropy", "mse"},
                    .metrics = std::move(metrics)});
    return model->evaluate(x, y, {.batch_size = 7, .verbose = Verbose::kSilent});
  }
  /// By hand, of an output.
  double result(const MetricPtr& metric, std::size_t output) {
    metric->update_state(y[output], model->predict(x)[output]);
    return metric->result();
  }
};

std::vector<std::string> names_of(const Logs& logs) {
  std::vector<std::string> names;
  for (const auto& [name, value] : logs) names.push_back(name);
  return names;
}

TEST(Fit, GivesEachOutputItsOwnMetrics) {
  TwoOutputs two;
  const Logs one_each = two.evaluate({"accuracy", "mae"});
  EXPECT_THAT(names_of(one_each),
              ElementsAre("kind_accuracy", "kind_loss", "loss", "number_loss", "number_mae"));
  const double right = two.result(metrics::SparseCategoricalAccuracy(), 0);
  const double error = two.result(metrics::MeanOf(losses::MeanAbsoluteError()), 1);
  EXPECT_NEAR(one_each.at("kind_accuracy"), right, 1e-6);
  EXPECT_NEAR(one_each.at("number_mae"), error, 1e-5);

  const Logs lists = two.evaluate({{"acc", metrics::SparseTopKCategoricalAccuracy(2, "top")},
                                   {metrics::MeanOf(losses::MeanAbsoluteError(), "off")}});
  EXPECT_THAT(names_of(lists), ElementsAre("kind_acc", "kind_loss", "kind_top", "loss",
                                           "number_loss", "number_off"));
  EXPECT_NEAR(lists.at("kind_acc"), right, 1e-6);
  EXPECT_NEAR(lists.at("kind_top"), two.result(metrics::SparseTopKCategoricalAccuracy(2), 0), 1e-6);
  EXPECT_NEAR(lists.at("number_off"), error, 1e-5);

  EXPECT_THAT(names_of(two.evaluate({{}, {"mse", "mse"}})),
              ElementsAre("kind_loss", "loss", "number_loss", "number_mse", "number_mse_1"));
  EXPECT_THAT(names_of(two.evaluate({})), ElementsAre("kind_loss", "loss", "number_loss"));
}

TEST(Fit, RefusesMetricsThatAreNotOneForEachOutput) {
  TwoOutputs two;
  EXPECT_THAT(message_of([&] { (void)two.evaluate({"accuracy"}); }),
              AllOf(HasSubstr("Invalid `metrics`. `metrics` should contain metrics objects and"),
                    HasSubstr("matching the output names of the functional model ['kind', "
                              "'number']"),
                    HasSubstr("Received: metrics=['accuracy']")));
  EXPECT_THAT(message_of([&] {
                (void)two.evaluate({"accuracy", {"mae", "mse"}, metrics::Accuracy("mine")});
              }),
              HasSubstr("Received: metrics=['accuracy', ['mae', 'mse'], 'mine']"));
}

TEST(Fit, CallsMetricsInLogsWhatTheyWereCalledWhenAskedFor) {
  Random random;
  const Spokes data(random, 40);
  const ModelPtr model = classifier();
  model->compile({.optimizer = "sgd",
                  .loss = "sparse_categorical_crossentropy",
                  .metrics = {"SparseCategoricalAccuracy", "Accuracy", "ACC",
                              "sparse_top_k_categorical_accuracy"}});
  const Logs logs = model->evaluate(data.x, data.y, {.verbose = Verbose::kSilent});
  EXPECT_THAT(names_of(logs), ElementsAre("ACC", "Accuracy", "SparseCategoricalAccuracy", "loss",
                                          "sparse_top_k_categorical_accuracy"));
  EXPECT_EQ(logs.at("ACC"), logs.at("SparseCategoricalAccuracy"));
  EXPECT_EQ(logs.at("Accuracy"), logs.at("SparseCategoricalAccuracy"));
}

TEST(Fit, AveragesReplaceTheWeightsAtTheEnd) {
  Random random;
  const Spokes data(random, 40);
  const auto fitted = [&](bool averages) {
    const ModelPtr out = classifier();
    out->compile({.optimizer = optimizers::SGD({.learning_rate = 0.1, .use_ema = averages}),
                  .loss = "sparse_categorical_crossentropy"});
    (void)out->fit(data.x, data.y, {.epochs = 2, .verbose = Verbose::kSilent, .seed = 5});
    return out;
  };
  const ModelPtr model = fitted(true), last = fitted(false);
  const auto state = model->optimizer()->variables();
  const auto trained = model->trainable_variables();
  for (std::size_t i = 0; i < trained.size(); ++i) {
    EXPECT_TRUE(bitwise_equal(state[2 + i]->value(), trained[i]->value())) << trained[i]->path();
  }
  EXPECT_FALSE(bitwise_equal(trained[0]->value(), last->trainable_variables()[0]->value()))
      << "not the averages took the weights' place, but the weights the averages'";
}

TEST(Fit, LeavesFrozenLayersAsTheyAre) {
  Random random;
  const Spokes data(random, 40);
  const ModelPtr model = classifier();
  model->layers()[1]->set_trainable(false);
  const std::vector<Tensor> before = values_of(model->layers()[1]->variables());
  compile(*model);
  (void)model->fit(data.x, data.y, {.verbose = Verbose::kSilent});
  const std::vector<Tensor> after = values_of(model->layers()[1]->variables());
  for (std::size_t i = 0; i < before.size(); ++i) EXPECT_TRUE(bitwise_equal(before[i], after[i]));
  model->layers()[1]->set_trainable(true);
  EXPECT_THAT(message_of([&] { (void)model->fit(data.x, data.y, {.verbose = Verbose::kSilent}); }),
              HasSubstr("call `compile` again"));
}

// As Keras's does.
TEST(Fit, TrainsWhateverACallWasGivenForTraining) {
  Random random;
  const Spokes data(random, 40);
  const ModelPtr plain = classifier(3, 0.0);
  nlohmann::json config = nlohmann::json::parse(plain->to_json());
  nlohmann::json& layer = config["config"]["layers"][2];
  ASSERT_EQ(layer["class_name"], "BatchNormalization");
  layer["inbound_nodes"][0]["kwargs"]["training"] = false;
  const ModelPtr told = Model::from_json_text(config.dump());
  told->set_weights(plain->get_weights());
  const std::vector<Tensor> before = values_of(plain->layers()[2]->variables());
  for (const ModelPtr& model : {plain, told}) {
    compile(*model);
    (void)model->fit(data.x, data.y, {.verbose = Verbose::kSilent, .seed = 5});
  }
  expect_same_bits(*plain, *told);
  const std::vector<Tensor> after = values_of(told->layers()[2]->variables());
  for (std::size_t i = 0; i < before.size(); ++i) {
    EXPECT_FALSE(bitwise_equal(before[i], after[i])) << i;
  }
}

TEST(Fit, ADeclaredBatchSizeBindsNoData) {
  Random random;
  const Spokes data(random, 50);
  const auto x = layers::Input({.batch_shape = Shape{20, 4}});
  const ModelPtr model =
      Functional::create(x, layers::Dense({.units = 3, .activation = "softmax"})(x));
  compile(*model);
  (void)model->fit(data.x, data.y, {.batch_size = 20, .verbose = Verbose::kSilent});
  EXPECT_EQ(model->optimizer()->iterations(), 3);  // of 20, 20 and 10
  const Logs logs = model->evaluate(data.x, data.y, {.verbose = Verbose::kSilent});
  EXPECT_NEAR(logs.at("loss"),
              (*losses::SparseCategoricalCrossentropy())(data.y, model->predict(data.x)), 1e-5);
}

/// A Dense layer, as a class of the user's.
class Classifier : public SubclassedModel {
 public:
  Classifier() { dense_ = track("dense", layers::Dense({.units = 3, .activation = "softmax"})); }
  std::string class_name() const override { return "Classifier"; }
  SymbolicTensors call(const SymbolicTensors& inputs) override { return {(*dense_)(inputs)}; }

 private:
  LayerPtr dense_;
};

TEST(Evaluate, BuildsAModelThatIsNotBuiltYet) {
  Random random;
  const Spokes data(random, 50);
  const std::vector<ModelPtr> models = {
      Sequential::create({layers::Dense({.units = 3, .activation = "softmax"})}),
      std::make_shared<Classifier>()};
  for (const ModelPtr& model : models) {
    SCOPED_TRACE(model->class_name());
    compile(*model);
    const Logs logs = model->evaluate(data.x, data.y, {.verbose = Verbose::kSilent});
    const Tensor predicted = model->predict(data.x);
    EXPECT_NEAR(logs.at("loss"), (*losses::SparseCategoricalCrossentropy())(data.y, predicted),
                1e-5);
    EXPECT_EQ(model->variables().size(), 2U);
  }
}

TEST(Fit, SaysWhatDoesNotFit) {
  Random random;
  const Spokes data(random, 40);
  const ModelPtr model = classifier();
  const FitOptions quiet = {.verbose = Verbose::kSilent};
  EXPECT_THAT(message_of([&] { (void)model->fit(data.x, data.y, quiet); }),
              HasSubstr("You must call `compile()` before calling `fit()`"));
  EXPECT_THAT(message_of([&] { (void)model->evaluate(data.x, data.y); }), HasSubstr("compile()"));
  compile(*model);
  EXPECT_THAT(message_of([&] {
                (void)model->fit(Tensor::zeros({0, 4}), Tensor::zeros({0}), quiet);
              }),
              AllOf(HasSubstr("no samples"), HasSubstr("(0, 4)")));
  EXPECT_THAT(message_of([&] { (void)model->fit(data.x, Tensor::zeros({39}), quiet); }),
              AllOf(HasSubstr("40 samples"), HasSubstr("39")));
  EXPECT_THAT(message_of([&] {
                (void)model->fit(Tensor::zeros({40, 5}), data.y, quiet);
              }),
              AllOf(HasSubstr("4"), HasSubstr("5)")));
  const std::vector<Tensor> before = values_of(model->variables());
  Tensor wrong = data.y.clone();
  wrong.data<std::int64_t>()[3] = 3;
  EXPECT_THAT(message_of([&] {
                (void)model->fit(data.x, wrong,
                                 {.batch_size = 40, .verbose = Verbose::kSilent, .shuffle = false});
              }),
              AllOf(HasSubstr("label 3 of sample 3 of the training data"), HasSubstr("[0, 3)")));
  const std::vector<Tensor> after = values_of(model->variables());
  for (std::size_t i = 0; i < before.size(); ++i) EXPECT_TRUE(bitwise_equal(before[i], after[i]));
  EXPECT_THAT(message_of([&] {
                (void)model->fit(data.x, Tensor::zeros({40, 2, 3}), {.class_weight = {{1, 2.0}}});
              }),
              HasSubstr("labels of one class a sample; received labels of the shape (40, 2, 3)"));
  EXPECT_THROW((void)model->fit(data.x, data.y, {.batch_size = 0}), ValueError);
  EXPECT_THROW((void)model->fit(data.x, data.y, {.epochs = 0}), ValueError);
  EXPECT_THROW((void)model->fit(data.x, data.y, {.validation_split = 1.0}), ValueError);
  EXPECT_THROW((void)model->fit(data.x, data.y, {.validation_split = 0.99}), ValueError);
  EXPECT_THROW(
      (void)model->fit(data.x, data.y,
                       {.validation_data = DataSet(Tensor::zeros({0, 4}), Tensor::zeros({0}))}),
      ValueError);
  EXPECT_THROW(model->compile({.optimizer = "adam", .loss = "nonsense"}), ValueError);
}

TEST(Fit, SaysWhoseLabelIsOutOfRange) {
  Random random;
  const Spokes data(random, 40);
  const ModelPtr model = classifier();
  compile(*model);
  const std::int64_t row = random.integer(0, 29), late = random.integer(30, 39);
  const auto wrong_at = [&](std::int64_t i) {
    Tensor wrong = data.y.clone();
    wrong.data<std::int64_t>()[i] = 7;
    return wrong;
  };
  const auto refusal = [&](const Tensor& y, FitOptions options) {
    options.verbose = Verbose::kSilent;
    options.batch_size = 7;
    return message_of([&] { (void)model->fit(data.x, y, options); });
  };
  const auto of = [](std::int64_t i, const char* what) {
    return HasSubstr("the label 7 of sample " + std::to_string(i) + " of " + what + " is out");
  };
  EXPECT_THAT(refusal(wrong_at(row), {}), of(row, "the training data"));
  EXPECT_THAT(refusal(wrong_at(row), {.shuffle = false}), of(row, "the training data"));
  EXPECT_THAT(refusal(wrong_at(late), {.validation_split = 0.25}), of(late, "the training data"));
  EXPECT_THAT(refusal(data.y, {.validation_data = DataSet(data.x, wrong_at(late))}),
              of(late, "the validation data"));
  EXPECT_THAT(message_of([&] {
                (void)model->evaluate(data.x, wrong_at(late),
                                      {.batch_size = 7, .verbose = Verbose::kSilent});
              }),
              of(late, "the data"));
  EXPECT_THAT(message_of([&] { (void)model->train_on_batch(data.x, wrong_at(late)); }),
              of(late, "the batch"));

  const auto x = layers::Input({.shape = {5, 4}});
  const auto several = Functional::create(x, layers::Dense({.units = 3})(x));
  several->compile({.optimizer = "sgd", .loss = "sparse_categorical_crossentropy"});
  Tensor labels = random.classes({40, 5}, 3);
  labels.data<std::int64_t>()[row * 5 + 2] = 7;
  EXPECT_THAT(message_of([&] {
                (void)several->fit(random.tensor({40, 5, 4}), labels,
                                   {.batch_size = 7, .verbose = Verbose::kSilent});
              }),
              HasSubstr("label 7 at position 2 of sample " + std::to_string(row) +
                        " of the training data"));
}

TEST(Shuffling, IsAPermutationOfSeedAndEpoch) {
  for (const std::int64_t count : {1, 2, 97}) {
    auto order = training::shuffled(count, 5, 3);
    EXPECT_EQ(order, training::shuffled(count, 5, 3));
    if (count > 2) {
      EXPECT_NE(order, training::shuffled(count, 5, 4));
      EXPECT_NE(order, training::shuffled(count, 6, 3));
    }
    std::sort(order.begin(), order.end());
    for (std::int64_t i = 0; i < count; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
  }
}

TEST(Shuffling, PutsEverySampleAnywhere) {
  std::vector<std::vector<int>> seen(4, std::vector<int>(4));
  for (std::int64_t epoch = 0; epoch < 4000; ++epoch) {
    const auto order = training::shuffled(4, 11, epoch);
    for (std::size_t i = 0; i < 4; ++i) ++seen[i][static_cast<std::size_t>(order[i])];
  }
  for (const auto& row : seen) {
    for (const int count : row) EXPECT_NEAR(count, 1000, 150);
  }
}

}  // namespace
}  // namespace lamina
