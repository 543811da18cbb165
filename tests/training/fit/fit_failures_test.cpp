// What goes wrong while a model is trained: one clear error, and the last checkpoint is there.
#include <gmock/gmock.h>

#include <cerrno>
#include <functional>
#include <limits>

#include "checkpoint/background/save_queue.h"
#include "storage/storage.h"
#include "tests/fakes/captured_warnings.h"
#include "tests/fakes/child_process.h"
#include "tests/fakes/file_size_limit.h"
#include "tests/fakes/small_disk.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/training/fit_helpers.h"

namespace lamina {
namespace {

using namespace test;
using lamina::testing::quit;
using lamina::testing::require;
using ::testing::AllOf;
using ::testing::HasSubstr;

/// Does something when an epoch ends, before anything is saved.
class AtEpochEnd : public Callback {
 public:
  explicit AtEpochEnd(std::function<void(FitRun&, std::int64_t)> work) : work_(std::move(work)) {}
  void on_epoch_end(FitRun& run, std::int64_t epoch, Logs&) override { work_(run, epoch); }

 private:
  std::function<void(FitRun&, std::int64_t)> work_;
};

ModelPtr compiled() {
  const ModelPtr model = classifier();
  model->compile({.optimizer = "adam", .loss = "sparse_categorical_crossentropy"});
  return model;
}

class FitOnAFullDisk : public ::testing::TestWithParam<bool> {};

TEST_P(FitOnAFullDisk, EndsWithTheErrorAndTheLastCheckpointLoads) {
  Random random;
  const Spokes data(random, 60);
  const Scratch scratch;
  const ModelPtr model = compiled();
  std::optional<lamina::testing::FileSizeLimit> full;
  std::vector<std::vector<Tensor>> saved;  // while there was room
  const auto fill = std::make_shared<AtEpochEnd>([&](FitRun&, std::int64_t epoch) {
    if (epoch == 2) full.emplace(1000);
    if (!full) saved.push_back(values_of(model->variables()));
  });
  const std::string message = message_of([&] {
    (void)model->fit(
        data.x, data.y,
        {.epochs = 5,
         .verbose = Verbose::kSilent,
         .callbacks = {fill, callbacks::ModelCheckpoint({.filepath = scratch / "last.weights.h5",
                                                         .asynchronous = GetParam()})}});
  });
  full.reset();
  EXPECT_THAT(message, AllOf(HasSubstr((scratch / "").string()), HasSubstr("File too large")));
  const ModelPtr loaded = compiled();
  loaded->load_weights(scratch / "last.weights.h5");
  const auto values = values_of(loaded->variables());
  const auto same = [&](const std::vector<Tensor>& other) {
    return std::equal(values.begin(), values.end(), other.begin(), other.end(), bitwise_equal);
  };
  ASSERT_EQ(saved.size(), 2u);
  // A save in the background may have met the full disk one epoch earlier.
  EXPECT_TRUE(same(saved[1]) || (GetParam() && same(saved[0])));
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(scratch / "")) {
    ++files;
    EXPECT_EQ(entry.path().filename(), "last.weights.h5");
  }
  EXPECT_EQ(files, 1u);
  model->save_weights(scratch / "last.weights.h5");  // with room again, all is well
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, FitOnAFullDisk, ::testing::Values(false, true),
                         [](const auto& info) { return info.param ? "Asynchronous" : "AtOnce"; });

/// Trains while a disk becomes full for real, and again once there is room. For a child: the disk
/// is its own.
[[noreturn]] void fit_on_a_small_disk(bool asynchronous) {
  const lamina::testing::TemporaryDirectory directory;
  const std::string failure = lamina::testing::mount_small_disk(directory.path(), 512);
  require(failure.empty(), failure);
  std::filesystem::create_directory(directory / "d");
  const auto last = directory / "d/last.weights.h5", ballast = directory / "ballast";
  Random random;
  const Spokes data(random, 60);
  const ModelPtr model = compiled();
  std::vector<Tensor> saved;
  const auto fill = std::make_shared<AtEpochEnd>([&](FitRun&, std::int64_t epoch) {
    if (epoch == 1) saved = values_of(model->variables());
    if (epoch != 2) return;
    checkpoint::save_queue().wait_for(checkpoint::save_key(last, false));
    const std::string bytes(4096, 'x');
    std::ofstream file(ballast, std::ios::binary);
    while (file.write(bytes.data(), static_cast<std::streamsize>(bytes.size())).flush()) {
    }
  });
  const FitOptions options{
      .epochs = 5,
      .verbose = Verbose::kSilent,
      .callbacks = {fill,
                    callbacks::ModelCheckpoint({.filepath = last, .asynchronous = asynchronous})}};
  int code = 0;
  std::string message;
  try {
    (void)model->fit(data.x, data.y, options);
  } catch (const StorageError& error) {
    code = error.code();
    message = error.what();
  }
  require(code == ENOSPC, std::string("the error is ").append(message));
  require(message.find(directory.path().string()) != std::string::npos, message);
  const auto holds = [&](const std::vector<Tensor>& expected) {
    const ModelPtr loaded = compiled();
    loaded->load_weights(last);
    const std::vector<Tensor> values = values_of(loaded->variables());
    return std::equal(values.begin(), values.end(), expected.begin(), expected.end(),
                      bitwise_equal);
  };
  require(holds(saved), "another checkpoint than the last one");
  require(storage::posix().list(directory / "d") == std::vector<std::string>{"last.weights.h5"},
          "other files than before");
  std::filesystem::remove(ballast);
  (void)model->fit(data.x, data.y,
                   {.epochs = 1,
                    .verbose = Verbose::kSilent,
                    .callbacks = {callbacks::ModelCheckpoint({.filepath = last})}});
  require(holds(values_of(model->variables())), "the next checkpoint");
  ::umount(directory.path().c_str());
  std::filesystem::remove_all(directory.path());
  quit("");
}

TEST_P(FitOnAFullDisk, ForRealEndsWithTheErrorAndTheLastCheckpointLoads) {
  const std::string reason = lamina::testing::why_no_small_disk();
  if (!reason.empty()) GTEST_SKIP() << "no tmpfs can be mounted here: " << reason;
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";  // a process that has not computed yet
  EXPECT_EXIT(fit_on_a_small_disk(GetParam()), ::testing::ExitedWithCode(0), "held");
}

// Of two runs of as many steps one comes to its end, and the other one dies.
TEST(FitFailures, TheAveragesTakeTheWeightsPlaceWhateverEndsTraining) {
  Random random;
  const Spokes data(random, 54);  // 6 batches
  const auto trained = [&](std::int64_t epochs, std::int64_t crash) {
    ModelPtr model = classifier();
    model->compile({.optimizer = optimizers::Adam({.learning_rate = 0.05, .use_ema = true}),
                    .loss = "sparse_categorical_crossentropy"});
    const std::string message = message_of([&] {
      (void)model->fit(data.x, data.y,
                       {.batch_size = 9,
                        .epochs = epochs,
                        .verbose = Verbose::kSilent,
                        .callbacks = {std::make_shared<Crash>(crash)},
                        .seed = 3});
    });
    EXPECT_EQ(message, crash < 100 ? "crash" : "nothing was thrown");
    return model;
  };
  expect_same_bits(*trained(1, 1000), *trained(2, 5));
}

TEST(FitFailures, ALossThatIsNotANumberIsReportedAndEndsARunThatAsksForIt) {
  Random random;
  const Spokes data(random, 60);
  Tensor bad = data.x.clone();
  bad.data<float>()[17] = std::numeric_limits<float>::quiet_NaN();
  const ModelPtr model = compiled();
  const History history = model->fit(bad, data.y,
                                     {.batch_size = 60,
                                      .epochs = 5,
                                      .verbose = Verbose::kSilent,
                                      .callbacks = {callbacks::TerminateOnNaN()}});
  ASSERT_EQ(history.epoch.size(), 1u);
  EXPECT_TRUE(std::isnan(history.history.at("loss")[0]));
}

/// Has no memory for its steps.
class WithoutMemory : public Optimizer {
 public:
  WithoutMemory() : Optimizer(OptimizerOptions{}, "WithoutMemory") {}
  std::string class_name() const override { return "WithoutMemory"; }

 protected:
  void create_slots() override {}
  void step(training::Update&) const override { throw OutOfMemoryError(1 << 20); }
};

/// Nor averages that could take the weights' place.
class WithoutAnything : public WithoutMemory {
 public:
  void finalize_variable_values() override { throw Error("There are no averages."); }
};

TEST(FitFailures, WhatEndsTrainingIsThrownWhateverFailsBehindIt) {
  Random random;
  const Spokes data(random, 20);
  const ModelPtr model = classifier();
  model->compile({.optimizer = OptimizerPtr(std::make_shared<WithoutAnything>()),
                  .loss = "sparse_categorical_crossentropy"});
  const lamina::testing::CapturedWarnings warnings;
  EXPECT_THAT(message_of([&] { (void)model->fit(data.x, data.y, {.verbose = Verbose::kSilent}); }),
              HasSubstr("Out of memory"));
  EXPECT_THAT(warnings.all, ::testing::ElementsAre(HasSubstr("There are no averages.")));
}

/// Learns from its first batch how much it has to remember, and then fails.
class FailsAsItGrows : public Metric {
 public:
  FailsAsItGrows() : Metric("grows") {}
  void update_state(const Tensor&, const Tensor&, const Tensor&) override {
    numbers_.resize(3);
    throw Error("The metric has failed.");
  }
  double result() const override { return 0; }
  void reset_state() override {}
  std::vector<double> state() const override { return numbers_; }
  void set_state(const std::vector<double>& state) override { numbers_ = state; }

 private:
  std::vector<double> numbers_;
};

TEST(FitFailures, WhatAStepFailsOfIsThrownWhereMetricsHaveGrownMeanwhile) {
  Random random;
  const Spokes data(random, 20);
  const ModelPtr model = classifier();
  model->compile({.optimizer = "sgd",
                  .loss = "sparse_categorical_crossentropy",
                  .metrics = {MetricPtr(std::make_shared<FailsAsItGrows>())}});
  const lamina::testing::CapturedWarnings warnings;
  EXPECT_EQ(message_of([&] { (void)model->fit(data.x, data.y, {.verbose = Verbose::kSilent}); }),
            "The metric has failed.");
  EXPECT_THAT(warnings.all, ::testing::ElementsAre(HasSubstr("state of the metrics is too short")));
}

/// Makes a weight NaN before a step, and notes what the model was before.
class Poison : public Callback {
 public:
  explicit Poison(std::int64_t step) : step_(step) {}
  void on_train_batch_begin(FitRun& run, std::int64_t) override {
    if (run.step() != step_) return;
    last_batch = values_of(run.model().variables());
    const VariablePtr kernel = run.model().variables().front();
    Tensor bad = kernel->value().clone();
    bad.data<float>()[0] = std::numeric_limits<float>::quiet_NaN();
    kernel->assign(bad);
  }
  void on_epoch_end(FitRun& run, std::int64_t, Logs&) override {
    if (run.step() <= step_) last_epoch = values_of(run.model().variables());
  }
  std::vector<Tensor> last_batch, last_epoch;

 private:
  std::int64_t step_;
};

/// Whether callbacks that save stand first, and save in the background.
class ALostRun : public ::testing::TestWithParam<std::tuple<bool, bool>> {
 protected:
  /// 4 batches an epoch, 2 epochs.
  History fit(Model& model, std::vector<CallbackPtr> callbacks) {
    return model.fit(data.x, data.y,
                     {.batch_size = 10,
                      .epochs = 2,
                      .verbose = Verbose::kSilent,
                      .callbacks = std::move(callbacks),
                      .seed = 4});
  }
  History fit_and_save(Model& model, std::vector<CallbackPtr> watching) {
    const auto [first, background] = GetParam();
    const std::vector<CallbackPtr> saving = {
        callbacks::ModelCheckpoint(
            {.filepath = scratch / "batch.weights.h5", .save_freq = 1, .asynchronous = background}),
        callbacks::ModelCheckpoint(
            {.filepath = scratch / "epoch.weights.h5", .asynchronous = background}),
        callbacks::BackupAndRestore(
            {.backup_dir = scratch / "backup", .save_freq = 1, .asynchronous = background})};
    watching.insert(first ? watching.begin() : watching.end(), saving.begin(), saving.end());
    return fit(model, std::move(watching));
  }
  void expect_file(const std::string& name, const std::vector<Tensor>& expected) {
    const ModelPtr loaded = compiled();
    loaded->load_weights(scratch / name);
    const auto variables = loaded->variables();
    ASSERT_EQ(expected.size(), variables.size()) << name;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      EXPECT_TRUE(bitwise_equal(variables[i]->value(), expected[i]))
          << name << " " << variables[i]->path();
    }
  }

  Random random;
  Spokes data{random, 40};
  Scratch scratch;
};
INSTANTIATE_TEST_SUITE_P(Saving, ALostRun, ::testing::Combine(::testing::Bool(), ::testing::Bool()),
                         [](const auto& info) {
                           return std::string(std::get<0>(info.param) ? "First" : "Last") +
                                  (std::get<1>(info.param) ? "InTheBackground" : "AtOnce");
                         });

TEST_P(ALostRun, LeavesTheCheckpointsOfBeforeAndGoesOnFromTheBackup) {
  const ModelPtr undisturbed = compiled(), lost = compiled(), resumed = compiled();
  (void)fit(*undisturbed, {});
  const auto poison = std::make_shared<Poison>(random.integer(5, 7));
  const History history = fit_and_save(*lost, {poison, callbacks::TerminateOnNaN()});
  EXPECT_EQ(history.epoch.size(), 2u);
  EXPECT_TRUE(std::isnan(history.history.at("loss")[1]));
  expect_file("batch.weights.h5", poison->last_batch);
  expect_file("epoch.weights.h5", poison->last_epoch);
  expect_file("backup/latest.weights.h5", poison->last_batch);
  (void)fit_and_save(*resumed, {std::make_shared<Poison>(-1), callbacks::TerminateOnNaN()});
  expect_same_bits(*undisturbed, *resumed);
}

TEST_P(ALostRun, ThrowsWhereItIsToRaiseAnError) {
  const ModelPtr lost = compiled();
  const auto poison = std::make_shared<Poison>(6);
  const std::string message = message_of([&] {
    (void)fit_and_save(*lost, {poison, callbacks::TerminateOnNaN({.raise_error = true})});
  });
  EXPECT_EQ(message,
            "NaN or Inf loss encountered at batch 2. Loss value: nan. Terminating training "
            "immediately.");
  for (const char* name : {"batch.weights.h5", "epoch.weights.h5", "backup/latest.weights.h5"}) {
    checkpoint::save_queue().wait_for(checkpoint::save_key(scratch / name, false));
  }
  expect_file("batch.weights.h5", poison->last_batch);
  expect_file("epoch.weights.h5", poison->last_epoch);
  expect_file("backup/latest.weights.h5", poison->last_batch);
}

TEST(FitFailures, WhatItTrainsWithIsNotExchangedUnderIt) {
  Random random;
  const Spokes data(random, 40);
  const ModelPtr model = classifier();
  const auto compile = [](Model& which) {
    which.compile({.optimizer = "sgd", .loss = "sparse_categorical_crossentropy"});
  };
  compile(*model);
  const OptimizerPtr optimizer = model->optimizer();
  const auto with = [](std::function<void(FitRun&)> f) -> FitOptions {
    return {.verbose = Verbose::kSilent,
            .callbacks = {callbacks::LambdaCallback(
                {.on_train_batch_end = [f](FitRun& run, std::int64_t, const Logs&) { f(run); }})}};
  };
  EXPECT_THAT(message_of([&] {
                (void)model->fit(data.x, data.y, with([&](FitRun& run) { compile(run.model()); }));
              }),
              HasSubstr("`compile()` was called while `fit()` trains model '"));
  EXPECT_THAT(message_of([&] {
                (void)model->fit(data.x, data.y, with([&](FitRun& run) {
                                   (void)run.model().fit(data.x, data.y, with([](FitRun&) {}));
                                 }));
              }),
              HasSubstr("`fit()` was called while `fit()` trains model '"));
  EXPECT_EQ(model->optimizer(), optimizer);
  (void)model->fit(data.x, data.y, with([](FitRun&) {}));  // that is over
  compile(*model);
}

TEST(FitFailures, ABatchThatFailsChangesNeitherWeightsNorAveragesNorMetrics) {
  Random random;
  const Spokes data(random, 20);
  Tensor wrong = data.y.clone();
  wrong.data<std::int64_t>()[random.integer(0, 19)] = 3;
  const auto expect_nothing = [&](const OptimizerPtr& optimizer, const Tensor& y,
                                  const char* words) {
    SCOPED_TRACE(words);
    const ModelPtr model = classifier();
    const MetricPtr accuracy = metrics::SparseCategoricalAccuracy();
    model->compile(
        {.optimizer = optimizer, .loss = "sparse_categorical_crossentropy", .metrics = {accuracy}});
    std::vector<VariablePtr> variables = model->variables();
    const auto state = optimizer->variables();
    variables.insert(variables.end(), state.begin(), state.end());
    const std::vector<Tensor> before = values_of(variables);
    EXPECT_THAT(message_of([&] { (void)model->train_on_batch(data.x, y); }), HasSubstr(words));
    for (std::size_t i = 0; i < before.size(); ++i) {
      EXPECT_TRUE(bitwise_equal(variables[i]->value(), before[i])) << variables[i]->path();
    }
    EXPECT_EQ(accuracy->state(), (std::vector<double>{0, 0}));
  };
  expect_nothing(optimizers::Adam(), wrong, "out of range");
  expect_nothing(std::make_shared<WithoutMemory>(), data.y, "Out of memory");
}

TEST(FitFailures, AMetricThatDoesNotFitIsFoundBeforeAnythingChanges) {
  Random random;
  const Spokes data(random, 20);
  const ModelPtr model = classifier();
  const MetricPtr accuracy = metrics::SparseCategoricalAccuracy();
  model->compile({.optimizer = "adam",
                  .loss = "sparse_categorical_crossentropy",
                  .metrics = {accuracy, "categorical_accuracy"}});
  const std::vector<Tensor> before = values_of(model->variables());
  EXPECT_THAT(message_of([&] { (void)model->train_on_batch(data.x, data.y); }),
              HasSubstr("Metric 'categorical_accuracy'"));
  const auto variables = model->variables();
  for (std::size_t i = 0; i < before.size(); ++i) {
    EXPECT_TRUE(bitwise_equal(variables[i]->value(), before[i])) << variables[i]->path();
  }
  EXPECT_EQ(accuracy->state(), (std::vector<double>{0, 0}));
  EXPECT_EQ(model->optimizer()->steps(), 0);
}

TEST(FitFailures, WithoutMemoryForAStepNothingChangesAndThereIsAnError) {
  set_random_seed(1);
  auto x = layers::Input({.shape = {4, 4, 1}});
  // 2^42 floats are more than any address space that this test will meet has room for.
  auto y = layers::UpSampling2D({.size = {1 << 19, 1 << 19}})(x);
  y = layers::Dense({.units = 3, .activation = "softmax"})(layers::GlobalAveragePooling2D()(y));
  const ModelPtr model = Functional::create(x, y);
  model->compile({.optimizer = "adam", .loss = "sparse_categorical_crossentropy"});
  Random random;
  for (const VariablePtr& variable : model->variables()) {
    variable->assign(random.tensor(variable->shape()));
  }
  const auto before = values_of(model->variables());
  const Scratch scratch;
  model->optimizer()->build(model->trainable_variables());
  model->save_weights(scratch / "before.weights.h5");
  const std::string message = message_of([&] {
    (void)model->fit(random.tensor({2, 4, 4, 1}), random.classes({2}, 3),
                     {.verbose = Verbose::kSilent});
  });
  EXPECT_THAT(message, AllOf(HasSubstr("memory"), HasSubstr("bytes")));
  const auto after = values_of(model->variables());
  for (std::size_t i = 0; i < before.size(); ++i) EXPECT_TRUE(bitwise_equal(before[i], after[i]));
  for (const VariablePtr& variable : model->variables()) {
    variable->assign(random.tensor(variable->shape()));
  }
  model->load_weights(scratch / "before.weights.h5");
  const auto loaded = values_of(model->variables());
  for (std::size_t i = 0; i < before.size(); ++i) EXPECT_TRUE(bitwise_equal(before[i], loaded[i]));
}

}  // namespace
}  // namespace lamina
