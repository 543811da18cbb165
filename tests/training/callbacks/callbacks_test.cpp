#include <gmock/gmock.h>
#include <lamina/log.h>

#include <cmath>
#include <limits>

#include "tests/training/fit_helpers.h"
#include "training/callbacks/path_pattern.h"

namespace lamina {
namespace {

using namespace test;
using ::testing::AllOf;
using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// Gives each epoch a "score" of its own, before the callbacks behind it.
class Scores : public Callback {
 public:
  explicit Scores(std::vector<double> scores) : scores_(std::move(scores)) {}
  void on_epoch_end(FitRun&, std::int64_t epoch, Logs& logs) override {
    logs["score"] = scores_.at(static_cast<std::size_t>(epoch));
  }

 private:
  std::vector<double> scores_;
};

/// Trains a small model for as many epochs as there are scores.
struct Trained {
  explicit Trained(std::vector<double> scores, std::vector<CallbackPtr> callbacks,
                   std::optional<std::int64_t> rows = {}) {
    Random random;
    const Spokes data(random, rows.value_or(20));
    model = classifier();
    model->compile({.optimizer = optimizers::SGD({.learning_rate = 0.5}),
                    .loss = "sparse_categorical_crossentropy"});
    const auto epochs = static_cast<std::int64_t>(scores.size());
    callbacks.insert(callbacks.begin(), std::make_shared<Scores>(std::move(scores)));
    history = model->fit(
        data.x, data.y,
        {.batch_size = 10, .epochs = epochs, .verbose = Verbose::kSilent, .callbacks = callbacks});
  }
  ModelPtr model;
  History history;
};

TEST(EarlyStopping, WaitsForAsLongAsItIsPatient) {
  const auto epochs = [](callbacks::EarlyStoppingOptions options, std::vector<double> scores) {
    options.monitor = "score";
    if (options.mode == callbacks::Mode::kAuto) options.mode = callbacks::Mode::kMin;
    return Trained(std::move(scores), {callbacks::EarlyStopping(options)}).history.epoch.size();
  };
  EXPECT_EQ(epochs({.patience = 2}, {5, 4, 4, 4, 3, 2}), 4U);
  EXPECT_EQ(epochs({.patience = 3}, {5, 4, 4, 4, 3, 2}), 6U);
  EXPECT_EQ(epochs({.patience = 1, .mode = callbacks::Mode::kMax}, {1, 2, 3, 3, 4}), 4U);
  EXPECT_EQ(epochs({.min_delta = 0.5, .patience = 1}, {5, 4.8, 3}), 2U);
  EXPECT_EQ(epochs({.patience = 1, .start_from_epoch = 3}, {1, 2, 3, 4, 5, 6}), 5U);
  EXPECT_EQ(epochs({.patience = 1, .baseline = 1}, {5, 4, 4, 0}), 3U);
}

TEST(EarlyStopping, TakesNoDifferenceForOneThatFloat32DoesNotHave) {
  const auto epochs = [](callbacks::Mode mode, double step) {
    const callbacks::EarlyStoppingOptions options{.monitor = "score", .patience = 1, .mode = mode};
    return Trained({1, 1 + step, 1 + 2 * step}, {callbacks::EarlyStopping(options)})
        .history.epoch.size();
  };
  EXPECT_EQ(epochs(callbacks::Mode::kMin, -1e-8), 2U);
  EXPECT_EQ(epochs(callbacks::Mode::kMax, 1e-8), 2U);
  EXPECT_EQ(epochs(callbacks::Mode::kMin, -1e-6), 3U);
  EXPECT_EQ(epochs(callbacks::Mode::kMax, 1e-6), 3U);
}

TEST(EarlyStopping, BringsTheBestWeightsBack) {
  std::vector<Tensor> best;
  class Keep : public Callback {
   public:
    explicit Keep(std::vector<Tensor>& into) : into_(into) {}
    void on_epoch_end(FitRun& run, std::int64_t epoch, Logs&) override {
      if (epoch == 1) into_ = values_of(run.model().variables());
    }

   private:
    std::vector<Tensor>& into_;
  };
  const Trained run({3, 1, 2, 2}, {std::make_shared<Keep>(best),
                                   callbacks::EarlyStopping({.monitor = "score",
                                                             .patience = 5,
                                                             .mode = callbacks::Mode::kMin,
                                                             .restore_best_weights = true})});
  const auto variables = run.model->variables();
  ASSERT_EQ(best.size(), variables.size());
  for (std::size_t i = 0; i < best.size(); ++i) {
    EXPECT_TRUE(bitwise_equal(best[i], variables[i]->value())) << variables[i]->path();
  }
}

TEST(EarlyStopping, BringsTheBestWeightsOfEachModelBack) {
  Random random;
  const Spokes data(random, 30);
  const auto stopping =
      callbacks::EarlyStopping({.monitor = "loss", .patience = 1, .restore_best_weights = true});
  // Each model may lie where the one before it lay.
  for (const std::int64_t hidden : {1, 3, 2, 4, 1, 2}) {
    const auto x = layers::Input({.shape = {4}});
    SymbolicTensor y = x;
    for (std::int64_t i = 0; i < hidden; ++i) y = layers::Dense({.units = 4 + hidden})(y);
    const ModelPtr model = Functional::create(x, layers::Dense({.units = 3})(y));
    model->compile(
        {.optimizer = "sgd", .loss = losses::SparseCategoricalCrossentropy({.from_logits = true})});
    (void)model->fit(data.x, data.y,
                     {.epochs = 2, .verbose = Verbose::kSilent, .callbacks = {stopping}});
    const auto weights = model->variables(), best = stopping->variables(*model);
    ASSERT_EQ(best.size(), weights.size());
    for (std::size_t i = 0; i < best.size(); ++i) {
      EXPECT_TRUE(bitwise_equal(best[i]->value(), weights[i]->value())) << i;
    }
  }
}

TEST(EarlyStopping, WarnsOfAMetricThatIsNotThere) {
  std::string warning;
  const WarningHandler before =
      set_warning_handler([&](std::string_view text) { warning = std::string(text); });
  const Trained run({1, 2}, {callbacks::EarlyStopping({.monitor = "val_loss"})});
  set_warning_handler(before);
  EXPECT_THAT(warning, HasSubstr("`val_loss` which is not available"));
  EXPECT_THAT(warning, HasSubstr("loss,score"));
  EXPECT_EQ(run.history.epoch.size(), 2U);
}

/// A metric that gives a value of its own each epoch.
class Scripted : public Metric {
 public:
  Scripted(std::string name, std::optional<Direction> direction, std::vector<double> values)
      : Metric(std::move(name)), direction_(direction), values_(std::move(values)) {}
  void update_state(const Tensor&, const Tensor&, const Tensor&) override {}
  double result() const override { return values_.at(epoch_); }
  void reset_state() override {
    epoch_ = resets_++ == 0 ? 0 : resets_ - 2;
  }  // `fit` begins with one
  std::optional<Direction> direction() const override { return direction_; }
  std::vector<double> state() const override { return {}; }
  void set_state(const std::vector<double>&) override {}

 private:
  std::optional<Direction> direction_;
  std::vector<double> values_;
  std::size_t epoch_ = 0, resets_ = 0;
};

History stopped_early(const MetricPtr& metric, callbacks::EarlyStoppingOptions options) {
  Random random;
  const Spokes data(random, 20);
  const ModelPtr model = classifier();
  model->compile(
      {.optimizer = "sgd", .loss = "sparse_categorical_crossentropy", .metrics = {metric}});
  options.monitor = metric->name();
  options.patience = 1;
  return model->fit(
      data.x, data.y,
      {.epochs = 4, .verbose = Verbose::kSilent, .callbacks = {callbacks::EarlyStopping(options)}});
}

TEST(EarlyStopping, GoesByWhatTheMetricSaysIsBetter) {
  const auto epochs = [](const char* name, Direction direction, std::vector<double> values) {
    const auto metric = std::make_shared<Scripted>(name, direction, std::move(values));
    return stopped_early(metric, {}).epoch.size();
  };
  EXPECT_EQ(epochs("my_acc", Direction::kDown, {3, 2, 1, 0}), 4U);
  EXPECT_EQ(epochs("my_acc", Direction::kDown, {0, 1, 2, 3}), 2U);
  EXPECT_EQ(epochs("hits", Direction::kUp, {0, 1, 2, 3}), 4U);
  EXPECT_EQ(epochs("hits", Direction::kUp, {3, 2, 1, 0}), 2U);
}

TEST(EarlyStopping, AsksForTheModeOfAMetricThatDoesNotSay) {
  const auto metric = [] {
    return std::make_shared<Scripted>("my_acc", std::nullopt, std::vector<double>{0, 1, 2, 3});
  };
  EXPECT_THAT(message_of([&] { (void)stopped_early(metric(), {}); }),
              AllOf(HasSubstr("EarlyStopping callback received monitor=my_acc"),
                    HasSubstr("isn't able to automatically determine"), HasSubstr("`mode='max'`")));
  EXPECT_EQ(stopped_early(metric(), {.mode = callbacks::Mode::kMax}).epoch.size(), 4U);
  EXPECT_THAT(
      message_of([] { (void)Trained({1}, {callbacks::ReduceLROnPlateau({.monitor = "score"})}); }),
      HasSubstr("ReduceLROnPlateau callback received monitor=score"));
}

TEST(FitRun, KnowsWhichValuesOfALogAreBetter) {
  class Ask : public Callback {
   public:
    void on_train_begin(FitRun& run) override {
      for (const char* log : {"loss", "val_loss", "number_loss", "val_kind_loss", "number_mae"}) {
        EXPECT_EQ(run.direction(log), Direction::kDown) << log;
      }
      for (const char* log : {"kind_acc", "val_kind_acc"}) {
        EXPECT_EQ(run.direction(log), Direction::kUp) << log;
      }
      for (const char* log : {"accuracy", "kind_mae", "number_acc"}) {
        EXPECT_EQ(run.direction(log), std::nullopt) << log;
      }
      asked = true;
    }
    bool asked = false;
  };
  Random random;
  const auto x = layers::Input({.shape = {3}});
  const auto model = Functional::create({x}, {layers::Dense({.units = 2, .name = "number"})(x),
                                              layers::Dense({.units = 2, .name = "kind"})(x)});
  model->compile({.optimizer = "sgd", .loss = "mse", .metrics = {"mae", "acc"}});
  const auto ask = std::make_shared<Ask>();
  (void)model->fit({random.tensor({5, 3})}, {random.tensor({5, 2}), random.tensor({5, 2})},
                   {.verbose = Verbose::kSilent, .callbacks = {ask}});
  EXPECT_TRUE(ask->asked);
}

TEST(ReduceLROnPlateau, ReducesAfterPatienceAndRests) {
  const Trained run({5, 5, 5, 5, 5, 5, 5},
                    {callbacks::ReduceLROnPlateau({.monitor = "score",
                                                   .factor = 0.5,
                                                   .patience = 2,
                                                   .mode = callbacks::Mode::kMin,
                                                   .cooldown = 1,
                                                   .min_lr = 0.2})});
  std::vector<double> rates = run.history.history.at("learning_rate");
  EXPECT_THAT(rates,
              ElementsAre(0.5, 0.5, 0.5, 0.25, 0.25, DoubleNear(0.2, 1e-7), DoubleNear(0.2, 1e-7)));
  EXPECT_THROW((void)callbacks::ReduceLROnPlateau({.factor = 1.0}), ValueError);
}

TEST(LearningRateScheduler, SetsTheRateOfEachEpoch) {
  const Trained run(
      {0, 0, 0}, {callbacks::LearningRateScheduler(
                     [](std::int64_t epoch, double rate) { return epoch == 0 ? 1.0 : rate / 4; })});
  EXPECT_THAT(run.history.history.at("learning_rate"), ElementsAre(1.0, 0.25, 0.0625));
}

TEST(LambdaCallback, CallsWhatItWasGiven) {
  Random random;
  const Spokes data(random, 20);
  const ModelPtr model = classifier();
  model->compile({.optimizer = "sgd", .loss = "sparse_categorical_crossentropy"});
  std::string calls;
  const auto note = [&](const std::string& call) { calls += call + " "; };
  const auto at = [](std::int64_t number) { return std::to_string(number); };
  const CallbackPtr all = callbacks::LambdaCallback(
      {.on_epoch_begin = [&](FitRun&, std::int64_t epoch) { note("epoch" + at(epoch)); },
       .on_epoch_end =
           [&](FitRun& run, std::int64_t epoch, Logs& logs) {
             logs["mine"] = 3;
             note(logs.contains("val_loss") ? "end" : "?");
             if (epoch == 1) run.stop_training();
           },
       .on_train_begin = [&](FitRun&) { note("begin"); },
       .on_train_end = [&](FitRun&,
                           const Logs& logs) { note("over" + at(std::int64_t(logs.at("mine")))); },
       .on_train_batch_begin = [&](FitRun&, std::int64_t batch) { note("batch" + at(batch)); },
       .on_train_batch_end = [&](FitRun&, std::int64_t batch, const Logs&) { note(at(batch)); },
       .on_test_begin = [&](FitRun&) { note("test"); },
       .on_test_end = [&](FitRun&,
                          const Logs& logs) { note(logs.contains("loss") ? "tested" : "?"); }});
  (void)model->fit(data.x, data.y,
                   {.batch_size = 10,
                    .epochs = 3,
                    .verbose = Verbose::kSilent,
                    .callbacks = {callbacks::LambdaCallback({}), all},
                    .validation_data = DataSet(data.x, data.y)});
  EXPECT_EQ(calls,
            "begin epoch0 batch0 0 batch1 1 test tested end "
            "epoch1 batch0 0 batch1 1 test tested end over3 ");
}

/// Trains for 3 epochs with averages.
struct Averaged {
  explicit Averaged(const Spokes& data, std::vector<CallbackPtr> callbacks, std::int64_t epochs = 3)
      : model(classifier()) {
    model->compile(
        {.optimizer = optimizers::SGD({.learning_rate = 0.2, .use_ema = true, .ema_momentum = 0.9}),
         .loss = "sparse_categorical_crossentropy"});
    history = model->fit(data.x, data.y,
                         {.batch_size = 10,
                          .epochs = epochs,
                          .verbose = Verbose::kSilent,
                          .callbacks = std::move(callbacks),
                          .validation_data = DataSet(data.x, data.y),
                          .seed = 5});
  }
  ModelPtr model;
  History history;
};

TEST(SwapEMAWeights, ValidatesWithTheAveragesAndTrainsTheSameWeights) {
  Random random;
  const Spokes data(random, 20);
  std::vector<std::vector<Tensor>> seen;
  const auto keep = callbacks::LambdaCallback(
      {.on_test_begin = [&](FitRun& run) { seen.push_back(values_of(run.model().variables())); },
       .on_test_end = [&](FitRun& run,
                          const Logs&) { seen.push_back(values_of(run.model().variables())); }});
  const Averaged plain(data, {}), swapped(data, {callbacks::SwapEMAWeights(), keep});
  expect_same_bits(*plain.model, *swapped.model);
  EXPECT_EQ(plain.history.history.at("loss"), swapped.history.history.at("loss"));
  EXPECT_NE(plain.history.history.at("val_loss"), swapped.history.history.at("val_loss"));
  ASSERT_EQ(seen.size(), 6U);
  EXPECT_FALSE(bitwise_equal(seen[0][0], seen[1][0])) << "averages, and then weights";
  const auto last = swapped.model->variables();
  for (const VariablePtr& variable : swapped.model->trainable_variables()) {
    const auto at = std::find(last.begin(), last.end(), variable) - last.begin();
    EXPECT_TRUE(bitwise_equal(seen[4][static_cast<std::size_t>(at)], variable->value()))
        << variable->path() << ": what was validated last";
  }
}

TEST(SwapEMAWeights, LeavesARunThatGoesOnItsBits) {
  Random random;
  const Spokes data(random, 20);
  const Scratch scratch;
  const auto callbacks = [&](const char* folder) -> std::vector<CallbackPtr> {
    return {callbacks::SwapEMAWeights({.swap_on_epoch = true}),
            callbacks::BackupAndRestore({.backup_dir = scratch / folder})};
  };
  const Averaged whole(data, callbacks("whole"));
  std::vector<CallbackPtr> crashing = callbacks("crash");
  crashing.push_back(std::make_shared<Crash>(3));
  EXPECT_THROW(Averaged(data, crashing), Error);
  std::vector<CallbackPtr> again = callbacks("crash");
  again.push_back(std::make_shared<Crash>(99));
  const Averaged resumed(data, again);
  expect_same_bits(*whole.model, *resumed.model);
}

TEST(SwapEMAWeights, LeavesTheAveragesOfARunThatIsStopped) {
  Random random;
  const Spokes data(random, 20);
  const auto stop =
      callbacks::LambdaCallback({.on_epoch_end = [](FitRun& run, std::int64_t epoch, Logs&) {
        if (epoch == 1) run.stop_training();
      }});
  const auto swap = callbacks::SwapEMAWeights({.swap_on_epoch = true});
  const Averaged two(data, {swap}, 2), stopped(data, {swap, stop}, 3), other(data, {stop, swap}, 3);
  expect_same_bits(*two.model, *stopped.model);
  expect_same_bits(*two.model, *other.model);
  expect_same_bits(*two.model, *Averaged(data, {}, 2).model);
}

TEST(SwapEMAWeights, NeedsAnOptimizerWithAverages) {
  EXPECT_THAT(message_of([] { (void)Trained({1}, {callbacks::SwapEMAWeights()}); }),
              HasSubstr("SwapEMAWeights must be used when `use_ema=True` is set on the optimizer"));
}

TEST(CSVLogger, WritesALineAnEpoch) {
  const Scratch scratch;
  const auto file = scratch / "log.csv";
  const Trained run({0.5, 0.25}, {callbacks::CSVLogger({.filename = file})});
  const auto& loss = run.history.history.at("loss");
  std::stringstream lines(read_file(file));
  std::string line;
  ASSERT_TRUE(std::getline(lines, line));
  EXPECT_EQ(line, "epoch,loss,score,val_loss,val_score\r");
  ASSERT_TRUE(std::getline(lines, line));
  EXPECT_THAT(line, HasSubstr("0," + std::to_string(loss[0]).substr(0, 5)));
  EXPECT_THAT(line, HasSubstr(",0.5,NA,NA\r"));
  EXPECT_THROW(Trained({0}, {callbacks::CSVLogger({.filename = scratch / "none/log.csv"})}),
               StorageError);
}

TEST(CSVLogger, WritesNumbersAsPythonDoes) {
  const Scratch scratch;
  const auto file = scratch / "log.csv";
  const double infinite = std::numeric_limits<double>::infinity();
  const std::vector<std::pair<double, std::string>> numbers = {{1, "1.0"},
                                                               {-0.0, "-0.0"},
                                                               {1e-05, "1e-05"},
                                                               {0.0001, "0.0001"},
                                                               {123456, "123456.0"},
                                                               {1e16, "1e+16"},
                                                               {0.1, "0.1"},
                                                               {infinite, "inf"},
                                                               {std::nan(""), "nan"},
                                                               {-std::nan(""), "nan"}};
  std::vector<double> scores;
  for (const auto& [number, text] : numbers) scores.push_back(number);
  const Trained run(scores, {callbacks::CSVLogger({.filename = file})});
  std::stringstream lines(read_file(file));
  std::string line;
  std::getline(lines, line);
  for (const auto& [number, text] : numbers) {
    ASSERT_TRUE(std::getline(lines, line));
    EXPECT_THAT(line, ::testing::EndsWith(std::string(",").append(text).append(",NA,NA\r")));
  }
}

TEST(TerminateOnNaN, EndsTrainingAtOnce) {
  const auto x = layers::Input({.shape = {1}});
  const auto model = Functional::create(x, layers::Dense({.units = 1})(x));
  model->compile({.optimizer = optimizers::SGD({.learning_rate = 1e30}), .loss = "mse"});
  std::string warning;
  const WarningHandler before =
      set_warning_handler([&](std::string_view text) { warning = std::string(text); });
  Random random;
  (void)model->fit(random.tensor({50, 1}), random.tensor({50, 1}),
                   {.batch_size = 1,
                    .epochs = 5,
                    .verbose = Verbose::kSilent,
                    .callbacks = {callbacks::TerminateOnNaN()}});
  set_warning_handler(before);
  EXPECT_THAT(warning, HasSubstr("Invalid loss, terminating training"));
  EXPECT_LT(model->optimizer()->iterations(), 10);
}

TEST(ModelCheckpoint, SavesEachEpochUnderItsName) {
  const Scratch scratch;
  const Trained run({0.5, 0.25},
                    {callbacks::ModelCheckpoint(
                        {.filepath = scratch / "sub/w{epoch:02d}-{score:.2f}.weights.h5"})});
  EXPECT_TRUE(std::filesystem::exists(scratch / "sub/w01-0.50.weights.h5"));
  const ModelPtr again = classifier(99);
  again->compile({.optimizer = optimizers::SGD({.learning_rate = 0.1}),
                  .loss = "sparse_categorical_crossentropy"});
  again->load_weights(scratch / "sub/w02-0.25.weights.h5");
  expect_same_bits(*run.model, *again);
}

TEST(ModelCheckpoint, KeepsTheBestOnly) {
  const Scratch scratch;
  const Trained run({3, 1, 2},
                    {callbacks::ModelCheckpoint({.filepath = scratch / "{epoch}.weights.h5",
                                                 .monitor = "score",
                                                 .save_best_only = true,
                                                 .mode = callbacks::Mode::kMin})});
  EXPECT_TRUE(std::filesystem::exists(scratch / "1.weights.h5"));
  EXPECT_TRUE(std::filesystem::exists(scratch / "2.weights.h5"));
  EXPECT_FALSE(std::filesystem::exists(scratch / "3.weights.h5"));
}

TEST(ModelCheckpoint, SavesEachEpochWhereNothingSaysWhichIsTheBest) {
  const Scratch scratch;
  std::string warning;
  const WarningHandler before =
      set_warning_handler([&](std::string_view text) { warning = std::string(text); });
  const Trained run({3, 4}, {callbacks::ModelCheckpoint({.filepath = scratch / "{epoch}.weights.h5",
                                                         .monitor = "other",
                                                         .save_best_only = true,
                                                         .mode = callbacks::Mode::kMin})});
  set_warning_handler(before);
  EXPECT_EQ(warning, "Can save best model only with other available.");
  EXPECT_TRUE(std::filesystem::exists(scratch / "1.weights.h5"));
  EXPECT_TRUE(std::filesystem::exists(scratch / "2.weights.h5"));
}

TEST(ModelCheckpoint, GoesByWhatTheMetricSaysIsBetter) {
  Random random;
  const Spokes data(random, 20);
  const Scratch scratch;
  const auto fit = [&](const std::string& monitor, bool save_best_only) {
    const ModelPtr model = classifier();
    const MetricPtr metric =
        std::make_shared<Scripted>("my_acc", Direction::kDown, std::vector<double>{3, 4, 1});
    model->compile(
        {.optimizer = "sgd", .loss = "sparse_categorical_crossentropy", .metrics = {metric}});
    (void)model->fit(
        data.x, data.y,
        {.epochs = 3,
         .verbose = Verbose::kSilent,
         .callbacks = {callbacks::ModelCheckpoint({.filepath = scratch / "{epoch}.weights.h5",
                                                   .monitor = monitor,
                                                   .save_best_only = save_best_only})}});
  };
  fit("my_acc", true);
  EXPECT_TRUE(std::filesystem::exists(scratch / "1.weights.h5"));
  EXPECT_FALSE(std::filesystem::exists(scratch / "2.weights.h5"));
  EXPECT_TRUE(std::filesystem::exists(scratch / "3.weights.h5"));
  EXPECT_THAT(message_of([&] { fit("score", true); }),
              HasSubstr("ModelCheckpoint callback received monitor=score"));
  fit("score", false);  // looks at none
}

TEST(ModelCheckpoint, SavesEverySoManyBatchesInShardsToo) {
  const Scratch scratch;
  const Trained run(
      {0, 0},
      {callbacks::ModelCheckpoint({.filepath = scratch / "{epoch}-{batch}.weights.json",
                                   .save_freq = 3,
                                   .save = {.max_shard_size = 3e-7}})},
      40);
  EXPECT_TRUE(std::filesystem::exists(scratch / "1-3.weights.json"));
  EXPECT_TRUE(std::filesystem::exists(scratch / "2-2.weights.json"));
  EXPECT_TRUE(std::filesystem::exists(scratch / "2-2_00001.weights.h5"));
  const ModelPtr again = classifier(99);
  again->load_weights(scratch / "2-2.weights.json");
}

TEST(ModelCheckpoint, SavesWholeModelsThatGoOn) {
  Random random;
  const Spokes data(random);
  const Scratch scratch;
  const ModelPtr model = classifier(7, 0);
  model->compile({.optimizer = optimizers::Adam({.learning_rate = 0.01}),
                  .loss = losses::SparseCategoricalCrossentropy(),
                  .metrics = {"accuracy"}});
  (void)model->fit(data.x, data.y,
                   {.epochs = 2,
                    .verbose = Verbose::kSilent,
                    .callbacks = {callbacks::ModelCheckpoint(
                        {.filepath = scratch / "{epoch}.keras", .save_weights_only = false})}});
  const ModelPtr first = Model::load(scratch / "1.keras"), last = Model::load(scratch / "2.keras");
  ASSERT_TRUE(first->optimizer() && last->optimizer());
  EXPECT_EQ(2 * first->optimizer()->steps(), model->optimizer()->steps());
  EXPECT_EQ(last->optimizer()->steps(), model->optimizer()->steps());
  EXPECT_EQ(last->train_on_batch(data.x, data.y), model->train_on_batch(data.x, data.y));
}

class OwnModel final : public Functional {
 public:
  OwnModel(const SymbolicTensor& x, const SymbolicTensor& y)
      : Functional({x}, {y}, {.name = "own"}) {}
};

TEST(ModelCheckpoint, RefusesModelsThatCannotBeWrittenBeforeTheFirstBatch) {
  Random random;
  const Spokes data(random, 20);
  const Scratch scratch;
  const auto x = layers::Input({.shape = {4}});
  const auto model =
      std::make_shared<OwnModel>(x, layers::Dense({.units = 3, .activation = "softmax"})(x));
  model->compile({.optimizer = optimizers::SGD(), .loss = "sparse_categorical_crossentropy"});
  const auto fit = [&](bool weights_only) {
    const char* name = weights_only ? "m.weights.h5" : "m.keras";
    (void)model->fit(data.x, data.y,
                     {.verbose = Verbose::kSilent,
                      .callbacks = {callbacks::ModelCheckpoint(
                          {.filepath = scratch / name, .save_weights_only = weights_only})}});
  };
  EXPECT_THAT(message_of([&] { fit(false); }),
              HasSubstr("Layer 'own' (Functional) cannot be written to a configuration"));
  EXPECT_EQ(model->optimizer()->steps(), 0);
  fit(true);
  EXPECT_EQ(model->optimizer()->steps(), 1);
}

TEST(ModelCheckpoint, RefusesNamesThatNoWeightsCanHave) {
  EXPECT_THROW((void)callbacks::ModelCheckpoint({.filepath = "model.keras"}), ValueError);
  EXPECT_THROW((void)callbacks::ModelCheckpoint({.filepath = "w.weights.h5", .save_freq = 0}),
               ValueError);
  EXPECT_THAT(
      message_of([] {
        (void)callbacks::ModelCheckpoint({.filepath = "w.weights.h5", .save_weights_only = false});
      }),
      HasSubstr("must end in `.keras` (Keras model format). Received: filepath=w.weights.h5"));
  EXPECT_THAT(message_of([] {
                (void)callbacks::ModelCheckpoint(
                    {.filepath = "m.keras", .save_weights_only = false, .asynchronous = true});
              }),
              HasSubstr("background"));
  EXPECT_THAT(
      message_of([] {
        (void)callbacks::ModelCheckpoint(
            {.filepath = "m.keras", .save_weights_only = false, .save = {.max_shard_size = 1.0}});
      }),
      HasSubstr("shards"));
  EXPECT_THAT(message_of([] {
                (void)training::fill_pattern("{val_loss}", 1, {}, {{"loss", 1}});
              }),
              HasSubstr("epoch, loss"));
}

}  // namespace
}  // namespace lamina
