// Several callbacks that save: what each file says of the others, and which comes first.
#include <gmock/gmock.h>

#include <chrono>
#include <functional>
#include <future>
#include <set>
#include <thread>

#include "checkpoint/background/save_queue.h"
#include "tests/training/fit_helpers.h"

namespace lamina {
namespace {

using namespace test;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// Gives each epoch a "score" of its own.
class Scores : public Callback {
 public:
  void on_epoch_end(FitRun&, std::int64_t epoch, Logs& logs) override {
    logs["score"] = std::vector{0.5, 0.3, 0.4, 0.35}.at(static_cast<std::size_t>(epoch));
  }
};

/// Dies at the end of the second epoch, in its turn among the callbacks that save.
class Killed : public Callback {
 public:
  Killed(SaveTurn turn, bool dies) : turn_(turn), dies_(dies) {}
  bool saves() const override { return true; }
  SaveTurn save_turn() const override { return turn_; }
  void on_epoch_end(FitRun&, std::int64_t epoch, Logs&) override { now_ = dies_ && epoch == 1; }
  void on_save(FitRun&) override {
    if (now_) throw Error("killed");
  }

 private:
  SaveTurn turn_;
  bool dies_, now_ = false;
};

std::string key_of(const std::filesystem::path& file) {
  return checkpoint::save_key(file, false);
}

/// Has something done before the next save of this file.
void before_the_save_of(const std::filesystem::path& file, std::function<void()> work) {
  checkpoint::save_queue().submit(key_of(file), std::make_shared<checkpoint::SaveState>(file),
                                  [work = std::move(work)](checkpoint::SaveState&) { work(); });
}

ModelPtr compiled(std::uint64_t seed) {
  const ModelPtr model = classifier(seed);
  model->compile({.optimizer = "adam", .loss = "sparse_categorical_crossentropy"});
  return model;
}

void expect_same(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  EXPECT_TRUE(std::equal(a.begin(), a.end(), b.begin(), b.end(), bitwise_equal));
}

/// Whether files are written in the background. 6 batches an epoch, 4 epochs.
class SavingOrder : public ::testing::TestWithParam<bool> {
 protected:
  [[nodiscard]] CallbackPtr checkpoint(const std::string& name, bool best = false,
                                       std::optional<std::int64_t> save_freq = {}) const {
    return callbacks::ModelCheckpoint({.filepath = scratch / name,
                                       .monitor = "score",
                                       .save_best_only = best,
                                       .mode = callbacks::Mode::kMin,
                                       .save_freq = save_freq,
                                       .asynchronous = GetParam()});
  }
  [[nodiscard]] CallbackPtr backup(std::optional<std::int64_t> save_freq = {}) const {
    return callbacks::BackupAndRestore(
        {.backup_dir = scratch / "backup", .save_freq = save_freq, .asynchronous = GetParam()});
  }
  /// Ends by itself, or with the message `end`.
  ModelPtr run(std::uint64_t seed, std::vector<CallbackPtr> callbacks,
               const char* end = "nothing was thrown", const std::filesystem::path& from = {}) {
    const ModelPtr model = compiled(seed);
    callbacks.insert(callbacks.begin(), std::make_shared<Scores>());
    const std::string message = message_of([&] {
      (void)model->fit(data.x, data.y,
                       {.batch_size = 9,
                        .epochs = 4,
                        .verbose = Verbose::kSilent,
                        .callbacks = std::move(callbacks),
                        .seed = 5,
                        .resume_from = from});
    });
    EXPECT_EQ(message, end);
    // As it is when a process that was killed had written all that it had begun.
    (void)checkpoint::save_queue().wait_for_all();
    return model;
  }
  /// The weights of a file.
  [[nodiscard]] std::vector<Tensor> stored(const std::string& name) const {
    const ModelPtr model = compiled(99);
    model->load_weights(scratch / name);
    return values_of(model->variables());
  }
  [[nodiscard]] std::set<std::string> files() const {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(scratch / "")) {
      names.insert(entry.path().filename().string());
    }
    return names;
  }

  Random random;
  Spokes data{random, 54};
  Scratch scratch;
};
INSTANTIATE_TEST_SUITE_P(Written, SavingOrder, ::testing::Bool(), [](const auto& info) {
  return info.param ? "InTheBackground" : "AtOnce";
});

TEST_P(SavingOrder, ABackupKnowsTheBestThatIsSavedWithIt) {
  for (const bool backup_first : {true, false}) {
    const auto callbacks = [&](std::int64_t crash) {
      std::vector<CallbackPtr> all = {std::make_shared<Crash>(crash), backup(),
                                      checkpoint("best.weights.h5", true)};
      if (!backup_first) std::swap(all[1], all[2]);
      return all;
    };
    const ModelPtr undisturbed = run(1, callbacks(1000));
    const std::vector<Tensor> best = stored("best.weights.h5");
    std::filesystem::remove(scratch / "best.weights.h5");
    (void)run(1, callbacks(random.integer(12, 17)), "crash");  // in the third epoch
    const ModelPtr resumed = run(2, callbacks(1000));
    expect_same_bits(*undisturbed, *resumed);
    expect_same(stored("best.weights.h5"), best);  // of the second epoch
  }
}

TEST_P(SavingOrder, ACheckpointKnowsTheBestThatIsSavedWithIt) {
  const auto callbacks = [&](std::int64_t crash) {
    return std::vector<CallbackPtr>{std::make_shared<Crash>(crash), checkpoint("last.weights.h5"),
                                    checkpoint("best.weights.h5", true)};
  };
  const ModelPtr undisturbed = run(1, callbacks(1000));
  const std::vector<Tensor> best = stored("best.weights.h5");
  (void)run(1, callbacks(random.integer(12, 17)), "crash");
  const ModelPtr resumed =
      run(2, callbacks(1000), "nothing was thrown", scratch / "last.weights.h5");
  expect_same_bits(*undisturbed, *resumed);
  expect_same(stored("best.weights.h5"), best);
}

TEST_P(SavingOrder, ABackupKnowsWhenTheOthersSaveNext) {
  const auto callbacks = [&](std::int64_t crash) {
    return std::vector<CallbackPtr>{std::make_shared<Crash>(crash), backup(2),
                                    checkpoint("{epoch}-{batch}.weights.h5", false, 3)};
  };
  (void)run(1, callbacks(1000));
  const std::set<std::string> names = files();
  EXPECT_EQ(names.size(), 8U);
  for (const std::string& name : names) std::filesystem::remove(scratch / name);
  (void)run(1, callbacks(6), "crash");  // the last backup is of where both save
  (void)run(2, callbacks(1000));
  EXPECT_EQ(files(), names);
}

TEST_P(SavingOrder, WhateverABackupSpeaksOfIsThereWhereverTheRunIsKilled) {
  for (const SaveTurn turn : {SaveTurn::kBest, SaveTurn::kCheckpoint, SaveTurn::kBackup}) {
    const auto callbacks = [&](bool dies) {
      return std::vector<CallbackPtr>{std::make_shared<Killed>(turn, dies), backup(),
                                      checkpoint("{epoch}.weights.h5"),
                                      checkpoint("best.weights.h5", true)};
    };
    const ModelPtr undisturbed = run(1, callbacks(false));
    const std::vector<Tensor> best = stored("best.weights.h5");
    const std::set<std::string> names = files();
    EXPECT_EQ(names.size(), 5U);
    for (const std::string& name : names) std::filesystem::remove(scratch / name);
    (void)run(1, callbacks(true), "killed");
    expect_same(stored("backup/latest.weights.h5"), stored("1.weights.h5"));
    const ModelPtr resumed = run(2, callbacks(false));
    expect_same_bits(*undisturbed, *resumed);
    expect_same(stored("best.weights.h5"), best);
    EXPECT_EQ(files(), names);
  }
}

/// While the best of the second epoch is not written yet: whether the backup of that epoch is.
class Watch : public Callback {
 public:
  Watch(std::filesystem::path best, std::filesystem::path backup)
      : best_(std::move(best)), backup_(std::move(backup)) {}
  ~Watch() override { let_go(); }
  void on_epoch_end(FitRun&, std::int64_t epoch, Logs&) override {
    if (epoch != 1) return;
    checkpoint::save_queue().wait_for(key_of(backup_));
    first = read_file(backup_);
    before_the_save_of(
        best_, [go = go_.get_future().share()] { (void)go.wait_for(std::chrono::seconds(10)); });
    waiting_ = true;
  }
  void on_epoch_begin(FitRun&, std::int64_t epoch) override {
    if (epoch != 2) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    second = read_file(backup_);
    let_go();
  }
  std::string first, second;

 private:
  void let_go() {
    if (std::exchange(waiting_, false)) go_.set_value();
  }
  std::filesystem::path best_, backup_;
  std::promise<void> go_;
  bool waiting_ = false;
};

class SavingOrderInTheBackground : public SavingOrder {};
INSTANTIATE_TEST_SUITE_P(Written, SavingOrderInTheBackground, ::testing::Values(true));

TEST_P(SavingOrderInTheBackground, TheBackupWaitsForTheBestThatItSpeaksOf) {
  const auto latest = scratch / "backup/latest.weights.h5";
  const auto watch = std::make_shared<Watch>(scratch / "best.weights.h5", latest);
  (void)run(1, {watch, checkpoint("best.weights.h5", true),
                callbacks::BackupAndRestore({.backup_dir = scratch / "backup",
                                             .delete_checkpoint = false,
                                             .asynchronous = true})});
  EXPECT_FALSE(watch->first.empty());
  EXPECT_TRUE(watch->second == watch->first);
  EXPECT_TRUE(read_file(latest) != watch->first);
}

/// Has something else take the place of this file before it is written next, in the background and
/// not at once, so that it cannot be.
void spoil_the_save_of(const std::filesystem::path& file) {
  before_the_save_of(file, [file] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    std::filesystem::remove(file);
    std::filesystem::create_directories(file / "in_the_way");
  });
}

/// Has the last checkpoint fail. Notes what the backup was.
class Spoil : public Callback {
 public:
  Spoil(std::filesystem::path last, std::filesystem::path backup)
      : last_(std::move(last)), backup_(std::move(backup)) {}
  void on_epoch_end(FitRun&, std::int64_t epoch, Logs&) override {
    if (epoch != 3) return;
    checkpoint::save_queue().wait_for(key_of(backup_));
    before = read_file(backup_);
    spoil_the_save_of(last_);
  }
  std::string before;

 private:
  std::filesystem::path last_, backup_;
};

TEST_P(SavingOrder, TheBackupStaysWhereAnotherSaveFails) {
  const auto last = scratch / "last.weights.h5", latest = scratch / "backup/latest.weights.h5";
  const auto spoil = std::make_shared<Spoil>(last, latest);
  const ModelPtr model = compiled(1);
  const std::string message = message_of([&] {
    (void)model->fit(
        data.x, data.y,
        {.batch_size = 9,
         .epochs = 4,
         .verbose = Verbose::kSilent,
         .callbacks = {spoil, backup(),
                       callbacks::ModelCheckpoint({.filepath = last, .asynchronous = true})}});
  });
  EXPECT_THAT(message, HasSubstr("last.weights.h5"));
  (void)checkpoint::save_queue().wait_for_all();
  EXPECT_FALSE(spoil->before.empty());
  EXPECT_TRUE(read_file(latest) == spoil->before);
}

/// Saves in a way of its own behind each of the first two epochs; in the second one the save of the
/// best, which comes before, fails.
class SavesItself : public Callback {
 public:
  using Save = std::function<SaveHandle(FitRun&)>;
  SavesItself(Save save, std::filesystem::path best)
      : save_(std::move(save)), best_(std::move(best)) {}
  bool saves() const override { return true; }
  void on_epoch_end(FitRun&, std::int64_t epoch, Logs&) override {
    due_ = epoch < 2;
    if (epoch == 1) spoil_the_save_of(best_);
  }
  void on_save(FitRun& run) override {
    if (!std::exchange(due_, false)) return;
    run.refresh_state();
    last_ = save_(run);
  }
  void on_train_end(FitRun&, const Logs&) override { last_.wait(); }

 private:
  Save save_;
  std::filesystem::path best_;
  SaveHandle last_;
  bool due_ = false;
};

TEST_P(SavingOrderInTheBackground, NoSaveOfTheRunIsThereWhereTheBestThatItSpeaksOfIsNot) {
  const auto best = scratch / "best.weights.h5";
  CheckpointManager behind({.directory = scratch / "behind"}), now({.directory = scratch / "now"});
  const auto own = [&](std::int64_t step) {
    return scratch / std::string("own_").append(std::to_string(step)).append(".weights.h5");
  };
  const std::vector<SavesItself::Save> ways = {
      [&](FitRun& run) { return behind.save_async(run.step(), run.model()); },
      [&](FitRun& run) {
        now.save(run.step(), run.model());
        return SaveHandle();
      },
      [&](FitRun& run) {
        run.model().save_weights(own(run.step()));
        return SaveHandle();
      }};
  for (const SavesItself::Save& way : ways) {
    std::filesystem::remove_all(best);
    const std::string message = message_of([&] {
      (void)compiled(1)->fit(
          data.x, data.y,
          {.batch_size = 9,
           .epochs = 4,
           .verbose = Verbose::kSilent,
           .callbacks = {std::make_shared<Scores>(), std::make_shared<SavesItself>(way, best),
                         checkpoint("best.weights.h5", true)}});
    });
    EXPECT_THAT(message, HasSubstr("best.weights.h5"));
    (void)checkpoint::save_queue().wait_for_all();
  }
  EXPECT_THAT(behind.steps(), ElementsAre(6));
  EXPECT_THAT(now.steps(), ElementsAre(6));
  EXPECT_TRUE(std::filesystem::exists(own(6)));
  EXPECT_FALSE(std::filesystem::exists(own(12)));
}

TEST_P(SavingOrder, ADirectoryThatCannotBeMadeIsAStorageError) {
  std::ofstream(scratch / "file") << "x";
  for (const CallbackPtr& saving :
       {checkpoint("file/in/last.weights.h5"),
        callbacks::BackupAndRestore({.backup_dir = scratch / "file/backup"})}) {
    try {
      (void)compiled(1)->fit(data.x, data.y, {.verbose = Verbose::kSilent, .callbacks = {saving}});
      ADD_FAILURE() << "nothing was thrown";
    } catch (const StorageError& error) {
      EXPECT_THAT(error.what(), HasSubstr((scratch / "file").string()));
    }
  }
}

}  // namespace
}  // namespace lamina
