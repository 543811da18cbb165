// A run that stops anywhere and goes on gives the same bits as one that did not stop.
#include <gmock/gmock.h>

#include <fstream>

#include "tests/training/fit/loaders.h"
#include "tests/training/resume/resume_scene.h"

namespace lamina {
namespace {

using namespace test;
using ::testing::AllOf;
using ::testing::HasSubstr;

class ResumeFromABackup : public ::testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Written, ResumeFromABackup, ::testing::Bool(), [](const auto& info) {
  return info.param ? "InTheBackground" : "AtOnce";
});

TEST_P(ResumeFromABackup, AfterACrashAtAnyStepGivesTheSameBits) {
  Random random;
  const Spokes data(random, 60);  // 48 train: 6 batches an epoch
  const ModelPtr undisturbed = compiled(1);
  const auto callbacks = [](std::int64_t crash, const Scratch& scratch) {
    return std::vector<CallbackPtr>{
        std::make_shared<Crash>(crash),
        callbacks::ModelCheckpoint({.filepath = scratch / "best.weights.h5",
                                    .monitor = "val_loss",
                                    .save_best_only = true}),
        callbacks::EarlyStopping({.monitor = "val_loss", .patience = 3}),
        callbacks::BackupAndRestore(
            {.backup_dir = scratch / "backup", .save_freq = 1, .asynchronous = GetParam()})};
  };
  const Scratch scratch;
  const History whole = undisturbed->fit(data.x, data.y, options(callbacks(1000, scratch)));
  const std::string best = read_file(scratch / "best.weights.h5");
  for (const std::int64_t crash : {1, 2, 5, 6, 7, 12, 22}) {
    std::filesystem::remove(scratch / "best.weights.h5");
    EXPECT_EQ(message_of([&] {
                (void)compiled(1)->fit(data.x, data.y, options(callbacks(crash, scratch)));
              }),
              "crash");
    const ModelPtr resumed = compiled(2);  // other weights, until they are read
    const History rest = resumed->fit(data.x, data.y, options(callbacks(1000, scratch)));
    expect_same_bits(*undisturbed, *resumed);
    EXPECT_EQ(rest.history.at("loss").back(), whole.history.at("loss").back()) << crash;
    EXPECT_EQ(rest.history.at("val_accuracy").back(), whole.history.at("val_accuracy").back());
    EXPECT_FALSE(std::filesystem::exists(scratch / "backup/latest.weights.h5"));
  }
  EXPECT_FALSE(best.empty());
}

TEST_P(ResumeFromABackup, KnowsTheBestWeightsOfBefore) {
  Random random;
  const Spokes data(random, 60);
  const auto run = [&](std::uint64_t seed, std::int64_t crash, const Scratch& scratch) {
    const ModelPtr model = classifier(seed);
    // Too large a rate: the first epochs are the best.
    model->compile({.optimizer = optimizers::SGD({.learning_rate = 3.0, .momentum = 0.9}),
                    .loss = "sparse_categorical_crossentropy"});
    FitOptions options = test::options(
        {std::make_shared<Crash>(crash),
         callbacks::EarlyStopping(
             {.monitor = "val_loss", .patience = 2, .restore_best_weights = true}),
         callbacks::BackupAndRestore(
             {.backup_dir = scratch / "backup", .save_freq = 1, .asynchronous = GetParam()})});
    options.epochs = 6;
    try {
      (void)model->fit(data.x, data.y, options);
      EXPECT_GT(crash, 100);
    } catch (const Error& error) {
      EXPECT_STREQ(error.what(), "crash");
    }
    return model;
  };
  const Scratch scratch;
  const ModelPtr undisturbed = run(1, 1000, scratch);
  // Behind the first epoch, so that the best weights are older than the backup.
  (void)run(1, random.integer(7, 11), scratch);
  const ModelPtr resumed = run(2, 1000, scratch);
  expect_same_bits(*undisturbed, *resumed);
}

TEST(Resume, LeavesOneLineAnEpochInTheLog) {
  Random random;
  const Spokes data(random, 60);  // 6 batches an epoch
  const Scratch scratch;
  const auto run = [&](std::int64_t crash, bool append) {
    const auto model = compiled(1);
    const FitOptions with =
        options({std::make_shared<Crash>(crash),
                 callbacks::CSVLogger({.filename = scratch / "log.csv", .append = append}),
                 callbacks::BackupAndRestore({.backup_dir = scratch / "b", .save_freq = 4})});
    const std::string message = message_of([&] { (void)model->fit(data.x, data.y, with); });
    EXPECT_EQ(message, crash < 100 ? "crash" : "nothing was thrown");
  };
  run(1000, false);
  const std::string whole = read_file(scratch / "log.csv");
  const std::string lines = whole.substr(whole.find('\n') + 1);
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 4);
  // Behind the ends of epochs, where the last backup is of before them, and within the first one.
  for (const std::int64_t crash : {1, 4, 7, 14, 19}) {
    run(crash, false);
    std::ofstream(scratch / "log.csv", std::ios::app) << "2,0.";  // it died writing
    run(1000, false);
    EXPECT_EQ(read_file(scratch / "log.csv"), whole) << crash;
    run(crash, true);  // what an earlier run has written stays
    run(1000, true);
    EXPECT_EQ(read_file(scratch / "log.csv"), whole + lines) << crash;
  }
}

TEST(Resume, KeepsTheColumnsOfTheLog) {
  Random random;
  const Spokes data(random, 60);  // 6 batches an epoch
  const Scratch scratch;
  const auto run = [&](std::int64_t crash) {
    const ModelPtr model = classifier(1);
    model->compile({.optimizer = "sgd", .loss = "sparse_categorical_crossentropy"});
    FitOptions with =
        options({std::make_shared<Crash>(crash),
                 callbacks::LearningRateScheduler([](std::int64_t, double rate) { return rate; }),
                 callbacks::CSVLogger({.filename = scratch / "log.csv", .separator = ";"}),
                 callbacks::BackupAndRestore({.backup_dir = scratch / "b", .save_freq = 3})});
    with.validation_freq = 2;  // so that the first epoch has none
    const std::string message = message_of([&] { (void)model->fit(data.x, data.y, with); });
    EXPECT_EQ(message, crash < 100 ? "crash" : "nothing was thrown");
    return read_file(scratch / "log.csv");
  };
  const std::string whole = run(1000);
  EXPECT_THAT(whole, HasSubstr("epoch;learning_rate;loss;val_learning_rate;val_loss\r\n0;"));
  (void)run(9);  // in the second one, which is validated
  EXPECT_EQ(run(1000), whole);
}

/// Saves at the end of the second validation.
class SavesInValidation : public Callback {
 public:
  explicit SavesInValidation(std::filesystem::path file) : file_(std::move(file)) {}
  void on_test_end(FitRun& run, const Logs&) override {
    if (++validations_ == 2 && !file_.empty()) run.save(file_, {});
  }

 private:
  std::filesystem::path file_;
  int validations_ = 0;
};

TEST(Resume, FromAFileOfTheValidationKnowsTheLossOfTraining) {
  Random random;
  const Spokes data(random, 60);
  const Scratch scratch;
  const auto file = scratch / "validated.weights.h5";
  const ModelPtr whole = compiled(1), resumed = compiled(2);
  const History history =
      whole->fit(data.x, data.y, options({std::make_shared<SavesInValidation>(file)}));
  FitOptions from = options({std::make_shared<SavesInValidation>("")});
  from.resume_from = file;
  const History rest = resumed->fit(data.x, data.y, from);
  expect_same_bits(*whole, *resumed);
  ASSERT_EQ(rest.epoch, (std::vector<std::int64_t>{1, 2, 3}));
  for (const char* log : {"loss", "accuracy", "val_loss"}) {
    EXPECT_EQ(rest.history.at(log).front(), history.history.at(log).at(1)) << log;
  }
}

TEST(Resume, LeavesTheLogsOfEarlierRuns) {
  Random random;
  const Spokes data(random, 60);  // 6 batches an epoch
  const Scratch scratch;
  const auto log = scratch / "log.csv", other = scratch / "other.csv";
  const auto run = [&](const std::filesystem::path& file, std::int64_t first, std::int64_t crash) {
    FitOptions with = options(
        {std::make_shared<Crash>(crash), callbacks::CSVLogger({.filename = file, .append = true}),
         callbacks::BackupAndRestore({.backup_dir = scratch / "b", .save_freq = 4})});
    with.initial_epoch = first;
    const std::string message = message_of([&] { (void)compiled(1)->fit(data.x, data.y, with); });
    EXPECT_EQ(message, crash < 100 ? "crash" : "nothing was thrown");
  };
  run(log, 0, 1000);
  for (const std::int64_t first : {0, 2, 3}) {
    const std::string earlier = read_file(log);
    std::filesystem::remove(other);
    run(other, first, 1000);
    const std::string whole = read_file(other);
    for (const std::int64_t crash : {4, 0}) {  // the first of them after a backup, within an epoch
      run(log, first, crash);
      std::ofstream(log, std::ios::app) << first << ",0.";  // it died writing
    }
    run(log, first, 1000);
    EXPECT_EQ(read_file(log), earlier + whole.substr(whole.find('\n') + 1)) << first;
  }
}

TEST(Resume, FromAnyCheckpointOfTheRun) {
  Random random;
  const Spokes data(random, 60);
  const Scratch scratch;
  const auto checkpoint = [&] {
    return callbacks::ModelCheckpoint(
        {.filepath = scratch / "{epoch}-{batch}.weights.h5", .save_freq = 4});
  };
  const ModelPtr whole = compiled(1);
  (void)whole->fit(data.x, data.y, options({checkpoint()}));
  FitOptions from = options({checkpoint()});
  from.resume_from = scratch / "2-2.weights.h5";
  from.seed = 77;  // the checkpoint's counts
  const ModelPtr resumed = compiled(3);
  (void)resumed->fit(data.x, data.y, from);
  expect_same_bits(*whole, *resumed);
}

TEST(Resume, RefusesWhatIsNotOfTheSameRun) {
  Random random;
  const Spokes data(random, 60), fewer(random, 50);
  const Scratch scratch;
  const auto file = scratch / "last.weights.h5";
  const ModelPtr model = compiled(1);
  (void)model->fit(data.x, data.y, options({callbacks::ModelCheckpoint({.filepath = file})}));
  const auto resume = [&](const std::filesystem::path& path, const Spokes& d, std::int64_t batch) {
    FitOptions from = options({callbacks::ModelCheckpoint({.filepath = scratch / "x.weights.h5"})});
    from.resume_from = path;
    from.batch_size = batch;
    const ModelPtr other = compiled(2);
    return message_of([&] { (void)other->fit(d.x, d.y, from); });
  };
  EXPECT_THAT(resume(file, fewer, 9), HasSubstr("48 samples, this one has 40"));
  EXPECT_THAT(resume(file, data, 8), HasSubstr("9 samples a batch, this one has 8"));
  model->save_weights(scratch / "plain.weights.h5");
  EXPECT_THAT(resume(scratch / "plain.weights.h5", data, 9),
              HasSubstr("was not saved by a callback"));
  EXPECT_THAT(resume(scratch / "missing.weights.h5", data, 9), HasSubstr("missing.weights.h5"));
}

TEST(Resume, RefusesCallbacksInAnotherOrder) {
  Random random;
  const Spokes data(random, 60);
  const Scratch scratch;
  const auto file = scratch / "last.weights.h5";
  const auto stopping = [] { return callbacks::EarlyStopping({.patience = 3}); };
  const auto reducing = [] { return callbacks::ReduceLROnPlateau(); };
  const auto saving = [&] { return callbacks::ModelCheckpoint({.filepath = file}); };
  const auto model = [] {
    const ModelPtr made = classifier();
    made->compile({.optimizer = "adam", .loss = "sparse_categorical_crossentropy"});
    return made;
  };
  FitOptions first = options({stopping(), reducing(), saving()});
  first.epochs = 2;
  (void)model()->fit(data.x, data.y, first);
  const auto resume = [&](std::vector<CallbackPtr> callbacks) {
    FitOptions from = options(std::move(callbacks));
    from.resume_from = file;
    return message_of([&] { (void)model()->fit(data.x, data.y, from); });
  };
  EXPECT_THAT(resume({reducing(), stopping(), saving()}),
              AllOf(HasSubstr("callback 0 of its run was of the class 'EarlyStopping'"),
                    HasSubstr("of this one is of 'ReduceLROnPlateau'")));
  EXPECT_EQ(resume({stopping(), reducing(), saving()}), "nothing was thrown");
}

/// Gives each epoch a "score" of its own.
class Scores : public Callback {
 public:
  void on_epoch_end(FitRun&, std::int64_t epoch, Logs& logs) override {
    logs["score"] = std::vector{0.5, 0.4, 0.45, 0.42, 0.3, 0.2}.at(static_cast<std::size_t>(epoch));
  }
};

TEST(Resume, OfARunThatWasStoppedTrainsNothing) {
  Random random;
  const Spokes data(random, 60);
  const Scratch scratch;
  const auto run = [&](std::uint64_t seed, const std::string& from) {
    ModelPtr model = compiled(seed);
    FitOptions with =
        options({std::make_shared<Scores>(),
                 callbacks::EarlyStopping({.monitor = "score",
                                           .patience = 2,
                                           .mode = callbacks::Mode::kMin,
                                           .restore_best_weights = true}),
                 callbacks::ModelCheckpoint({.filepath = scratch / "{epoch}.weights.h5"})});
    with.epochs = 6;
    if (!from.empty()) with.resume_from = scratch / from;
    const History history = model->fit(data.x, data.y, with);
    return std::pair(std::move(model), history.epoch);
  };
  using Epochs = std::vector<std::int64_t>;
  const auto [whole, epochs] = run(1, "");
  EXPECT_EQ(epochs, (Epochs{0, 1, 2, 3}));
  const auto [stopped, none] = run(2, "4.weights.h5");
  EXPECT_EQ(none, Epochs{});
  expect_same_bits(*whole, *stopped);
  const auto [resumed, rest] = run(3, "3.weights.h5");
  EXPECT_EQ(rest, Epochs{3});
  expect_same_bits(*whole, *resumed);
}

/// Stops training after a step.
class StopAfter : public Callback {
 public:
  explicit StopAfter(std::int64_t step) : step_(step) {}
  void on_train_batch_end(FitRun& run, std::int64_t, const Logs&) override {
    if (run.step() == step_) run.stop_training();
  }

 private:
  std::int64_t step_;
};

TEST(Resume, OfARunThatWasStoppedWithinAnEpochEndsThatEpoch) {
  Random random;
  const Spokes data(random, 60);  // 6 batches an epoch
  const Scratch scratch;
  const std::int64_t batch = random.integer(1, 6);
  const auto with = [&](std::int64_t step) {
    return options({std::make_shared<StopAfter>(step),
                    callbacks::ModelCheckpoint(
                        {.filepath = scratch / "{epoch}-{batch}.weights.h5", .save_freq = 1})});
  };
  const ModelPtr whole = compiled(1), resumed = compiled(2);
  const History history = whole->fit(data.x, data.y, with(6 + batch));
  EXPECT_EQ(history.epoch, (std::vector<std::int64_t>{0, 1}));
  FitOptions from = with(-1);
  from.resume_from =
      scratch / std::string("2-").append(std::to_string(batch)).append(".weights.h5");
  const History rest = resumed->fit(data.x, data.y, from);
  EXPECT_EQ(rest.epoch, std::vector<std::int64_t>{1});
  EXPECT_EQ(rest.history.at("val_loss").back(), history.history.at("val_loss").back());
  expect_same_bits(*whole, *resumed);
}

/// Fails once, in the third epoch.
class FailsOnce : public Rows {
 public:
  FailsOnce(const Spokes& data, bool fails) : Rows(data), fails_(fails) {}
  DataSet batch(std::int64_t epoch, std::int64_t index, std::uint64_t seed) override {
    if (epoch == 2 && index == 3 && std::exchange(fails_, false)) throw Error("no batch");
    return Rows::batch(epoch, index, seed);
  }

 private:
  bool fails_;
};

TEST(Resume, TakesTheOptionsOfTheFitThatFailed) {
  Random random;
  const Spokes data(random, 60);
  const Scratch scratch;
  const auto with = [&](const char* log) {
    FitOptions given =
        options({callbacks::CSVLogger({.filename = scratch / log}),
                 callbacks::TensorBoard({.log_dir = scratch / "logs", .update_freq = 1}),
                 callbacks::BackupAndRestore({.backup_dir = scratch / "b", .save_freq = 4})});
    given.validation_split = 0;
    return given;
  };
  const ModelPtr whole = compiled(1), resumed = compiled(1);
  (void)whole->fit(std::make_shared<FailsOnce>(data, false), with("whole.csv"));
  const FitOptions same = with("log.csv");
  const auto loader = std::make_shared<FailsOnce>(data, true);
  EXPECT_EQ(message_of([&] { (void)resumed->fit(loader, same); }), "no batch");
  (void)resumed->fit(loader, same);
  expect_same_bits(*whole, *resumed);
  EXPECT_EQ(read_file(scratch / "log.csv"), read_file(scratch / "whole.csv"));
}

}  // namespace
}  // namespace lamina
