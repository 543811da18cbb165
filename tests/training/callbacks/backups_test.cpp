// The backup before the last one: how long it is kept, and when a run goes on from it.
#include <gmock/gmock.h>
#include <lamina/error.h>

#include <cerrno>

#include "checkpoint/background/save_queue.h"
#include "tests/fakes/captured_warnings.h"
#include "tests/fakes/file_size_limit.h"
#include "tests/fakes/working_directory.h"
#include "tests/training/resume/resume_scene.h"

namespace lamina {
namespace {

using namespace test;
using ::testing::AllOf;
using ::testing::HasSubstr;

/// Before the third backup: the disk is full from then on. Notes what the second one was.
class FullDisk : public Callback {
 public:
  explicit FullDisk(std::filesystem::path backup) : backup_(std::move(backup)) {}
  void on_train_batch_end(FitRun& run, std::int64_t, const Logs&) override {
    if (run.step() != 3) return;
    checkpoint::save_queue().wait_for(checkpoint::save_key(backup_, false));
    second = read_file(backup_);
    limit_.emplace(999);
  }
  std::string second;

 private:
  std::filesystem::path backup_;
  std::optional<lamina::testing::FileSizeLimit> limit_;
};

/// Goes to another directory at the third batch.
class GoesElsewhere : public Callback {
 public:
  explicit GoesElsewhere(std::filesystem::path directory) : directory_(std::move(directory)) {}
  void on_train_batch_end(FitRun& run, std::int64_t, const Logs&) override {
    if (run.step() == 3) std::filesystem::current_path(directory_);
  }

 private:
  std::filesystem::path directory_;
};

/// Whether files are written in the background.
class Backups : public ::testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Written, Backups, ::testing::Bool(), [](const auto& info) {
  return info.param ? "InTheBackground" : "AtOnce";
});

TEST_P(Backups, AreKeptUntilTheNextOneIsThere) {
  Random random;
  const Spokes data(random, 60);
  const Scratch scratch;
  auto disk = std::make_shared<FullDisk>(scratch / "b/latest.weights.h5");
  const std::string message = message_of([&] {
    (void)compiled(1)->fit(
        data.x, data.y,
        options({disk, callbacks::BackupAndRestore({.backup_dir = scratch / "b",
                                                    .save_freq = 1,
                                                    .double_checkpoint = true,
                                                    .asynchronous = GetParam()})}));
  });
  const std::string second = disk->second;
  disk.reset();
  EXPECT_THAT(message, HasSubstr("latest.weights.h5"));
  EXPECT_TRUE(read_file(scratch / "b/latest.weights.h5") == second);
  const std::string first = read_file(scratch / "b/previous.weights.h5");
  EXPECT_EQ(first.size(), second.size());
  EXPECT_TRUE(first != second);
  EXPECT_FALSE(std::filesystem::exists(scratch / "b/.previous.weights.h5"));
}

TEST_P(Backups, StayWhereTheCallbackWasMadeWhereverTheProcessGoes) {
  Random random;
  const Spokes data(random, 60);
  const Scratch scratch;
  const auto made = scratch / "made", elsewhere = scratch / "elsewhere";
  for (const auto& directory : {made, elsewhere}) std::filesystem::create_directory(directory);
  {
    const lamina::testing::WorkingDirectory here(made);
    const std::string message = message_of([&] {
      (void)compiled(1)->fit(
          data.x, data.y,
          options({std::make_shared<GoesElsewhere>(elsewhere), std::make_shared<Crash>(6),
                   callbacks::BackupAndRestore({.backup_dir = "b",
                                                .save_freq = 1,
                                                .double_checkpoint = true,
                                                .asynchronous = GetParam()})}));
    });
    EXPECT_EQ(message, "crash");
    (void)checkpoint::save_queue().wait_for_all();
  }
  EXPECT_TRUE(std::filesystem::exists(made / "b/latest.weights.h5"));
  EXPECT_TRUE(std::filesystem::exists(made / "b/previous.weights.h5"));
  EXPECT_TRUE(std::filesystem::is_empty(elsewhere));
}

// What the file system says comes as an error of Lamina's.
TEST_P(Backups, WhereTheyCannotBeAreAnErrorThatNamesTheFile) {
  Random random;
  const Spokes data(random, 60);
  const Scratch scratch;
  const auto backups = scratch / std::string(300, 'b');
  try {
    (void)compiled(1)->fit(
        data.x, data.y,
        options({callbacks::BackupAndRestore(
            {.backup_dir = backups, .double_checkpoint = true, .asynchronous = GetParam()})}));
    ADD_FAILURE() << "was fitted";
  } catch (const StorageError& error) {
    EXPECT_EQ(error.code(), ENAMETOOLONG);
    EXPECT_THAT(error.what(), HasSubstr(backups.string()));
  }
}

/// Another process with the same directory, before each backup: it ends and takes all backups
/// along, it has just begun one of its own, or it notes the end of ours.
class Meddles : public Callback {
 public:
  Meddles(std::filesystem::path directory, Random& random)
      : directory_(std::move(directory)), random_(random) {}
  void on_train_batch_end(FitRun&, std::int64_t, const Logs&) override {
    std::error_code none;
    const auto last = directory_ / "latest.weights.h5", link = directory_ / ".previous.weights.h5";
    switch (random_.integer(0, 2)) {
      case 0:
        for (const auto& file : {link, directory_ / "previous.weights.h5", last, directory_}) {
          std::filesystem::remove(file, none);  // the directory only if nobody is at work in it
        }
        break;
      case 1:
        std::filesystem::create_hard_link(last, link, none);
        break;
      default:
        std::filesystem::rename(link, directory_ / "previous.weights.h5", none);
    }
  }

 private:
  std::filesystem::path directory_;
  Random& random_;
};

TEST_P(Backups, OfAnotherProcessInTheSameDirectoryEndNoRun) {
  Random random;
  const Spokes data(random, 60);
  const Scratch scratch;
  for (const bool doubled : {false, true}) {
    const auto directory = scratch / (doubled ? "b" : "c");
    const ModelPtr model = compiled(1), undisturbed = compiled(1);
    (void)undisturbed->fit(data.x, data.y, options({}));
    EXPECT_EQ(message_of([&] {
                (void)model->fit(
                    data.x, data.y,
                    options({std::make_shared<Meddles>(directory, random),
                             callbacks::BackupAndRestore({.backup_dir = directory,
                                                          .save_freq = 1,
                                                          .double_checkpoint = doubled,
                                                          .asynchronous = GetParam()})}));
              }),
              "nothing was thrown");
    expect_same_bits(*undisturbed, *model);
    EXPECT_FALSE(std::filesystem::exists(directory));
  }
}

TEST_P(Backups, AreRemovedAndNotTheLinkToTheirDirectory) {
  Random random;
  const Spokes data(random, 60);
  const Scratch scratch;
  std::filesystem::create_directory(scratch / "b");
  std::filesystem::create_directory_symlink(scratch / "b", scratch / "link");
  (void)compiled(1)->fit(data.x, data.y,
                         options({callbacks::BackupAndRestore(
                             {.backup_dir = scratch / "link", .asynchronous = GetParam()})}));
  EXPECT_TRUE(std::filesystem::is_symlink(scratch / "link"));
  EXPECT_TRUE(std::filesystem::is_empty(scratch / "b"));
}

TEST(Resume, FromTheBackupBeforeADamagedOne) {
  Random random;
  const Spokes data(random, 60);
  const Scratch scratch;
  const auto run = [&](std::uint64_t seed, std::int64_t crash) {
    const ModelPtr model = compiled(seed);
    const FitOptions with =
        options({std::make_shared<Crash>(crash),
                 callbacks::BackupAndRestore(
                     {.backup_dir = scratch / "b", .save_freq = 2, .double_checkpoint = true})});
    const std::string message = message_of([&] { (void)model->fit(data.x, data.y, with); });
    EXPECT_EQ(message, crash < 100 ? "crash" : "nothing was thrown");
    return model;
  };
  const ModelPtr undisturbed = run(1, 1000);
  const auto damage = [&] { std::filesystem::resize_file(scratch / "b/latest.weights.h5", 999); };
  (void)run(1, random.integer(5, 9));
  EXPECT_TRUE(std::filesystem::exists(scratch / "b/previous.weights.h5"));
  damage();
  const lamina::testing::CapturedWarnings warnings;
  (void)run(2, random.integer(3, 6));  // another crash, after the sound one has taken its place
  damage();
  // As it is when the process dies after a save and before its end is noted.
  std::filesystem::rename(scratch / "b/previous.weights.h5", scratch / "b/.previous.weights.h5");
  expect_same_bits(*undisturbed, *run(3, 1000));
  ASSERT_EQ(warnings.all.size(), 2U);
  EXPECT_THAT(warnings.all[0], HasSubstr("takes the place of the last one: "));
  EXPECT_FALSE(std::filesystem::exists(scratch / "b"));
}

TEST(Resume, LeavesBackupsOfWhichNoneIsSound) {
  Random random;
  const Spokes data(random, 60);
  const Scratch scratch;
  const auto run = [&](std::int64_t crash) {
    return message_of([&] {
      (void)compiled(1)->fit(
          data.x, data.y,
          options({std::make_shared<Crash>(crash),
                   callbacks::BackupAndRestore(
                       {.backup_dir = scratch / "b", .save_freq = 1, .double_checkpoint = true})}));
    });
  };
  EXPECT_EQ(run(random.integer(3, 9)), "crash");
  const auto latest = scratch / "b/latest.weights.h5", previous = scratch / "b/previous.weights.h5";
  std::filesystem::resize_file(latest, 999);
  std::filesystem::resize_file(previous, 888);
  EXPECT_THAT(run(1000), AllOf(HasSubstr("There is no backup to go on from: each is damaged."),
                               HasSubstr(latest.string()), HasSubstr(previous.string())));
  EXPECT_EQ(std::filesystem::file_size(latest), 999U);
  EXPECT_EQ(std::filesystem::file_size(previous), 888U);
}

}  // namespace
}  // namespace lamina
