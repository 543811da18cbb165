// Two files of the best and a backup, and a kill before, between and behind any two writes.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <span>

#include "checkpoint/background/save_queue.h"
#include "h5/read/reader.h"
#include "storage/storage.h"
#include "tests/training/fit_helpers.h"

namespace lamina {
namespace {

using namespace test;

/// The contents of files by their names.
using Files = std::map<std::string, std::string>;

Files read_all(const std::filesystem::path& directory) {
  Files files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (!entry.is_regular_file()) continue;
    const auto name = entry.path().lexically_relative(directory);
    files[name.string()] = read_file(entry.path());
  }
  return files;
}

void write_all(const Files& files, const std::filesystem::path& directory) {
  std::filesystem::remove_all(directory);
  std::filesystem::create_directories(directory);
  for (const auto& [name, content] : files) {
    std::filesystem::create_directories((directory / name).parent_path());
    std::ofstream(directory / name, std::ios::binary) << content;
  }
}

/// Every tensor of a file, weights, optimizer and the state of the run, by its path.
std::map<std::string, std::string> tensors_of(const std::filesystem::path& file) {
  std::map<std::string, std::string> tensors;
  const h5::Reader reader(storage::posix().open(file));
  for (const h5::VarsGroup* const group : reader.groups()) {
    for (const auto& [key, dataset] : group->datasets) {
      std::string& bytes = tensors[fmt::format("{}/{}", group->path, key)];
      bytes.resize(dataset.nbytes);
      reader.read(dataset, std::as_writable_bytes(std::span(bytes)));
    }
  }
  return tensors;
}

constexpr std::int64_t kEpochs = 5;

/// Gives each epoch a "cost", best in the epochs 0, 1 and 3, and "hits", best in 0, 1 and 2.
class Scripted : public Callback {
 public:
  void on_epoch_end(FitRun&, std::int64_t epoch, Logs& logs) override {
    const auto at = static_cast<std::size_t>(epoch);
    logs["cost"] = std::vector{0.5, 0.3, 0.4, 0.2, 0.25}.at(at);
    logs["hits"] = std::vector{0.1, 0.4, 0.6, 0.5, 0.55}.at(at);
  }
};

/// In its turn among the callbacks that save: notes what a process leaves that is killed then.
class Witness : public Callback {
 public:
  Witness(SaveTurn turn, std::filesystem::path directory, std::vector<Files>& seen)
      : turn_(turn), directory_(std::move(directory)), seen_(seen) {}
  bool saves() const override { return true; }
  SaveTurn save_turn() const override { return turn_; }
  void on_save(FitRun&) override {
    (void)checkpoint::save_queue().wait_for_all();  // what is in the background comes first
    Files now = read_all(directory_);
    if (seen_.empty() || seen_.back() != now) seen_.push_back(std::move(now));
  }

 private:
  SaveTurn turn_;
  std::filesystem::path directory_;
  std::vector<Files>& seen_;
};

/// Whether files are written in the background.
class KillPoints : public ::testing::TestWithParam<bool> {
 protected:
  [[nodiscard]] CallbackPtr best(const char* monitor, callbacks::Mode mode) const {
    return callbacks::ModelCheckpoint({.filepath = run_ / fmt::format("{}.weights.h5", monitor),
                                       .monitor = monitor,
                                       .save_best_only = true,
                                       .mode = mode,
                                       .asynchronous = GetParam()});
  }
  /// `seen`: what a kill may leave, in the order of the writes.
  ModelPtr run(std::uint64_t seed, std::optional<std::int64_t> save_freq,
               std::vector<Files>& seen) const {
    const auto witness = [&](SaveTurn turn) { return std::make_shared<Witness>(turn, run_, seen); };
    ModelPtr model = classifier(seed);
    model->compile({.optimizer = "adam", .loss = "sparse_categorical_crossentropy"});
    (void)model->fit(
        data_.x, data_.y,
        {.batch_size = 9,  // 6 batches an epoch
         .epochs = kEpochs,
         .verbose = Verbose::kSilent,
         .callbacks = {std::make_shared<Scripted>(), witness(SaveTurn::kBest),
                       best("cost", callbacks::Mode::kMin), witness(SaveTurn::kBest),
                       best("hits", callbacks::Mode::kMax), witness(SaveTurn::kCheckpoint),
                       callbacks::BackupAndRestore({.backup_dir = run_ / "backup",
                                                    .save_freq = save_freq,
                                                    .asynchronous = GetParam()}),
                       witness(SaveTurn::kBackup)},
         .seed = 5});
    (void)checkpoint::save_queue().wait_for_all();
    return model;
  }
  void expect_every_kill_harmless(std::optional<std::int64_t> save_freq, std::size_t writes) const {
    write_all({}, run_);
    std::vector<Files> kills, ignored;
    const ModelPtr undisturbed = run(1, save_freq, kills);
    EXPECT_EQ(kills.size(), 1 + writes);
    const auto cost = tensors_of(run_ / "cost.weights.h5"),
               hits = tensors_of(run_ / "hits.weights.h5");
    EXPECT_FALSE(cost == hits);
    const Files end = read_all(run_);
    for (std::size_t i = 0; i < kills.size(); ++i) {
      SCOPED_TRACE(fmt::format("killed behind write {}", i));
      write_all(kills[i], run_);
      // Other weights, unless there is nothing to go on from.
      const bool goes_on = kills[i].contains("backup/latest.weights.h5");
      const ModelPtr resumed = run(goes_on ? 2 : 1, save_freq, ignored);
      expect_same_bits(*undisturbed, *resumed);
      EXPECT_TRUE(tensors_of(run_ / "cost.weights.h5") == cost);
      EXPECT_TRUE(tensors_of(run_ / "hits.weights.h5") == hits);
      EXPECT_EQ(read_all(run_).size(), end.size());
    }
  }

  Random random_;
  Spokes data_{random_, 54};
  Scratch scratch_;
  std::filesystem::path run_ = scratch_ / "run";
};
INSTANTIATE_TEST_SUITE_P(Written, KillPoints, ::testing::Bool(), [](const auto& info) {
  return info.param ? "InTheBackground" : "AtOnce";
});

TEST_P(KillPoints, LeaveTheBestOfTwoMonitorsAsTheyWouldHaveBeen) {
  expect_every_kill_harmless({}, 3 + 3 + 5);
}

TEST_P(KillPoints, DoSoWhereTheBackupIsOfTheMiddleOfAnEpoch) {
  expect_every_kill_harmless(4, 3 + 3 + 30 / 4);
}

}  // namespace
}  // namespace lamina
