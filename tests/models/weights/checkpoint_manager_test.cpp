#include <gmock/gmock.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <fstream>
#include <future>
#include <thread>

#include "checkpoint/commit/hidden_names.h"
#include "checkpoint/verify/soundness.h"
#include "tests/fakes/captured_warnings.h"
#include "tests/fakes/faulty_storage.h"
#include "tests/fakes/passing_storage.h"
#include "tests/fakes/working_directory.h"
#include "tests/models/weights/manager_scene.h"

namespace lamina {
namespace {

using namespace test;
using lamina::testing::CapturedWarnings;
using lamina::testing::FaultyStorage;
using lamina::testing::PassingStorage;
using lamina::testing::WorkingDirectory;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// Names cannot change places in it, and of what is in directories that are to go it removes one
/// thing.
class ReluctantStorage final : public PassingStorage {
 public:
  bool exchange(const Path&, const Path&) override { return false; }
  void remove(const Path& path) override {
    refuse(path);
    inner().remove(path);
  }
  void remove_directory(const Path& path) override {
    refuse(path);
    inner().remove_directory(path);
  }

 private:
  void refuse(const Path& path) {
    const std::string text = path.string();
    if (text.find(".replaced") == text.npos && text.find(".removed") == text.npos) return;
    if (std::filesystem::is_directory(path) && !std::filesystem::is_empty(path)) return;
    if (removed_++ > 0) throw StorageError("unlink failed for '" + path.string() + "'", EIO);
  }
  std::size_t removed_ = 0;
};

/// Counts the syncs of directories since names have changed places. If it is to, it fails the first
/// of them, and does not let the names change back.
class OneWayStorage final : public PassingStorage {
 public:
  explicit OneWayStorage(bool fails) : fails_(fails) {}
  bool exchange(const Path& a, const Path& b) override {
    if (exchanged_) fail("renameat2", b);
    return exchanged_ = inner().exchange(a, b);
  }
  void sync_directory(const Path& path) override {
    if (exchanged_ && syncs_++ == 0 && fails_) fail("fsync", path);
    inner().sync_directory(path);
  }
  [[nodiscard]] std::size_t syncs() const { return syncs_; }

 private:
  [[noreturn]] static void fail(const std::string& call, const Path& path) {
    throw StorageError(call + " failed for '" + path.string() + "'", EIO);
  }
  const bool fails_;
  bool exchanged_ = false;
  std::size_t syncs_ = 0;
};

/// Opens no file of one step, as if the process had too many open.
class ExhaustedStorage final : public PassingStorage {
 public:
  explicit ExhaustedStorage(std::string step) : step_(std::move(step)) {}
  std::unique_ptr<storage::ReadableFile> open(const Path& path) override {
    if (!step_.empty() && path.string().find(step_) != std::string::npos) {
      throw StorageError("open failed for '" + path.string() + "': Too many open files", EMFILE);
    }
    return inner().open(path);
  }
  void recover() { step_.clear(); }

 private:
  std::string step_;
};

/// Removes nothing whose path has this text, as where it is somebody else's.
class StickyStorage final : public PassingStorage {
 public:
  explicit StickyStorage(std::string text) : text_(std::move(text)) {}
  void remove(const Path& path) override {
    refuse("unlink", path);
    inner().remove(path);
  }
  void remove_directory(const Path& path) override {
    refuse("rmdir", path);
    inner().remove_directory(path);
  }

 private:
  void refuse(const std::string& call, const Path& path) const {
    if (path.string().find(text_) == std::string::npos) return;
    throw StorageError(call + " failed for '" + path.string() + "': Operation not permitted",
                       EPERM);
  }
  std::string text_;
};

/// Counts how often a lock was asked for.
class WatchedLocks final : public PassingStorage {
 public:
  std::unique_ptr<storage::Lock> try_lock(const Path& path) override {
    auto lock = inner().try_lock(path);
    ++tries_;
    return lock;
  }
  [[nodiscard]] std::size_t tries() const { return tries_; }

 private:
  std::atomic<std::size_t> tries_ = 0;
};

constexpr const char* kNoExchange = "names cannot change places in this file system";

class Manager : public ManagerScene {};

TEST_P(Manager, SavesEachStepInADirectoryOfItsOwn) {
  CheckpointManager manager(options());
  EXPECT_THAT(manager.steps(), IsEmpty());
  EXPECT_EQ(manager.latest(), std::nullopt);
  EXPECT_EQ(manager.restore_latest(*model_), std::nullopt);
  save(manager, 7);
  save(manager, 1200);
  save(manager, 123'456'789'012);
  EXPECT_THAT(manager.steps(), ElementsAre(7, 1200, 123'456'789'012));
  EXPECT_EQ(manager.latest(), 123'456'789'012);
  EXPECT_THAT(files(), ElementsAre("step_00000007", "step_00001200", "step_123456789012"));
  EXPECT_EQ(manager.path(1200).string(), (directory_ / "run").string() +
                                             "/step_00001200/model.weights." +
                                             (GetParam() ? "json" : "h5"));
  model_->load_weights(manager.path(1200));
  EXPECT_TRUE(holds(1200));
  set(-1);
  EXPECT_EQ(CheckpointManager(options()).restore_latest(*model_), 123'456'789'012);
  EXPECT_TRUE(holds(123'456'789'012));
}

TEST_P(Manager, KeepsTheNewestAndEveryNth) {
  CheckpointManager manager(options(2, 30));
  for (std::int64_t step = 10; step <= 100; step += 10) save(manager, step);
  EXPECT_THAT(manager.steps(), ElementsAre(30, 60, 90, 100));
  EXPECT_EQ(files().size(), 4U);
  CheckpointManager all(options(0));
  for (std::int64_t step = 101; step <= 110; ++step) save(all, step);
  EXPECT_EQ(all.steps().size(), 14U);
}

TEST_P(Manager, AfterGoingBackKeepsTheStepThatItHasJustSavedAndSaysThatThereAreNewerOnes) {
  CheckpointManager manager(options(5, 100));
  for (std::int64_t step = 100; step <= 600; step += 100) save(manager, step);
  CapturedWarnings warnings;
  save(manager, 110);
  EXPECT_THAT(manager.steps(), ElementsAre(100, 110, 200, 300, 400, 500, 600));
  EXPECT_THAT(warnings.all,
              ElementsAre(AllOf(HasSubstr("'" + (directory_ / "run").string() + "'"),
                                HasSubstr("newer steps than 110"), HasSubstr("step 600"))));
  set(-1);
  model_->load_weights(manager.path(110));
  EXPECT_TRUE(holds(110));
  save(manager, 120);
  EXPECT_THAT(manager.steps(), ElementsAre(100, 120, 200, 300, 400, 500, 600));
  EXPECT_EQ(warnings.all.size(), 2U);
  save(manager, 610);
  EXPECT_THAT(manager.steps(), ElementsAre(100, 200, 300, 400, 500, 600, 610));
  EXPECT_EQ(warnings.all.size(), 2U);
}

// Shards were turned on, or off, between two runs.
TEST_P(Manager, CheckpointsOfTheOtherKindCountLikeAllOthers) {
  CheckpointManager before(options_of(!GetParam(), 0));
  for (std::int64_t step = 1; step <= 3; ++step) save(before, step);
  CheckpointManager manager(options(3));
  EXPECT_THAT(manager.steps(), ElementsAre(1, 2, 3));
  EXPECT_EQ(manager.latest(), 3);
  EXPECT_EQ(manager.path(2).string(), before.path(2).string());
  EXPECT_NE(manager.path(4).string(), before.path(4).string());
  set(-1);
  EXPECT_EQ(manager.restore_latest(*model_), 3);
  EXPECT_TRUE(holds(3));
  save(manager, 4);
  EXPECT_THAT(manager.steps(), ElementsAre(2, 3, 4));
  EXPECT_THAT(files(), ElementsAre("step_00000002", "step_00000003", "step_00000004"));
  EXPECT_EQ(before.restore_latest(*model_), 4);
  EXPECT_TRUE(holds(4));
}

TEST_P(Manager, OfAStepThatIsReplacedByTheOtherKindNothingStays) {
  CheckpointManager before(options_of(!GetParam()));
  save(before, 5);
  const std::filesystem::path old = before.path(5);
  CheckpointManager manager(options());
  set(6);
  manager.save(5, *model_);
  EXPECT_FALSE(std::filesystem::exists(old));
  EXPECT_EQ(manager.path(5).string(),
            (directory_ / "run/step_00000005" / options().file_name).string());
  EXPECT_EQ(before.path(5).string(), manager.path(5).string());
  std::vector<std::string> expected = {"model.weights.h5"};
  if (GetParam()) expected = {"model.weights.json", "model_00000.weights.h5"};
  const std::vector<std::string> found = storage::posix().list(directory_ / "run/step_00000005");
  EXPECT_TRUE(std::includes(found.begin(), found.end(), expected.begin(), expected.end()));
  if (!GetParam()) {
    EXPECT_THAT(found, ElementsAreArray(expected));
  }
  set(-1);
  EXPECT_EQ(manager.restore_latest(*model_), 5);
  EXPECT_TRUE(holds(6));
  EXPECT_THAT(manager.steps(), ElementsAre(5));
}

TEST_P(Manager, ReplacesAStepThatIsThere) {
  CheckpointManager manager(options());
  save(manager, 5);
  set(6);
  manager.save(5, *model_);
  set(-1);
  EXPECT_EQ(manager.restore_latest(*model_), 5);
  EXPECT_TRUE(holds(6));
  EXPECT_THAT(files(), ElementsAre("step_00000005"));
}

TEST_P(Manager, AStepThatIsReplacedIsInSightAllTheTime) {
  if (!names_change_places()) GTEST_SKIP() << kNoExchange;
  CheckpointManager manager(options());
  save(manager, 5);
  const auto other = small_model();
  const std::jthread writer([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) CheckpointManager(options()).save(5, *other);
  });
  CapturedWarnings warnings;
  for (int i = 0; i < 200 && !HasFailure(); ++i) EXPECT_THAT(manager.steps(), ElementsAre(5));
  for (int i = 0; i < 50 && !HasFailure(); ++i) EXPECT_EQ(manager.restore_latest(*model_), 5);
  EXPECT_THAT(warnings.all, IsEmpty());
}

TEST_P(Manager, AStepThatIsReplacedCostsOneSyncOfTheDirectory) {
  if (!names_change_places()) GTEST_SKIP() << kNoExchange;
  CheckpointManager manager(options());
  save(manager, 5);
  OneWayStorage storage(false);
  set(6);
  TestingCheckpointManager(options(), storage).save(5, *model_);
  EXPECT_EQ(storage.syncs(), 1U);
  EXPECT_THAT(files(), ElementsAre("step_00000005"));
}

TEST_P(Manager, AReplacementThatCannotBeUndoneLeavesBothToTheNextSave) {
  if (!names_change_places()) GTEST_SKIP() << kNoExchange;
  CheckpointManager manager(options());
  save(manager, 5);
  OneWayStorage storage(true);
  set(6);
  CapturedWarnings warnings;
  EXPECT_THROW(TestingCheckpointManager(options(), storage).save(5, *model_), StorageError);
  EXPECT_THAT(warnings.all, ElementsAre(HasSubstr("renameat2 failed")));
  EXPECT_EQ(files().size(), 2U);
  for (const std::string& name : files()) {
    model_->load_weights(directory_ / "run" / name / options().file_name);
    EXPECT_TRUE(holds(name.starts_with('.') ? 5 : 6)) << name;
  }
  save(manager, 7);
  EXPECT_THAT(files(), ElementsAre("step_00000005", "step_00000007"));
}

TEST_P(Manager, SavesInTheBackgroundInOrder) {
  CheckpointManager manager(options(3));
  std::vector<SaveHandle> handles;
  for (std::int64_t step = 1; step <= 8; ++step) {
    set(static_cast<float>(step));
    handles.push_back(manager.save_async(step, *model_));
  }
  set(-1);
  EXPECT_EQ(manager.restore_latest(*model_), 8);  // waits for them
  EXPECT_TRUE(holds(8));
  for (SaveHandle& handle : handles) handle.wait();
  EXPECT_THAT(manager.steps(), ElementsAre(6, 7, 8));
  EXPECT_EQ(handles.back().progress().bytes_done, handles.back().progress().bytes_total);
  EXPECT_THAT(files(), ElementsAre("step_00000006", "step_00000007", "step_00000008"));
}

TEST_P(Manager, NeverRemovesTheNewestThatCanBeRead) {
  CheckpointManager all(options(0));
  for (std::int64_t step = 1; step <= 5; ++step) save(all, step);
  for (std::int64_t step = 3; step <= 5; ++step) damage(all, step);
  // Saving an old step again sets off the removal without adding a newer one that can be read.
  CheckpointManager manager(options(2));
  CapturedWarnings warnings;
  save(manager, 1);
  EXPECT_THAT(manager.steps(), ElementsAre(1, 2, 4, 5));
  EXPECT_THAT(warnings.all, ElementsAre(HasSubstr("newer steps than 1")));
  EXPECT_EQ(manager.restore_latest(*model_), 2);
  EXPECT_TRUE(holds(2));
}

TEST_P(Manager, NeverRemovesTheNewestThatVerifies) {
  CheckpointManager all(options(0));
  for (std::int64_t step = 1; step <= 5; ++step) save(all, step);
  for (std::int64_t step = 3; step <= 5; ++step) flip(all, step);
  CheckpointManager manager(options(2));
  CapturedWarnings warnings;
  save(manager, 1);
  EXPECT_THAT(manager.steps(), ElementsAre(1, 2, 4, 5));
  EXPECT_THAT(warnings.all, ElementsAre(HasSubstr("newer steps than 1")));
  EXPECT_EQ(manager.restore_latest(*model_), 2);
  EXPECT_TRUE(holds(2));
}

// Whether a checkpoint is sound cannot be told just now, be it an older one or the new one.
TEST_P(Manager, RemovesNothingWhenACheckpointCannotBeRead) {
  CheckpointManager all(options(0));
  for (std::int64_t step = 1; step <= 3; ++step) save(all, step);
  for (const std::int64_t saved : {2, 4}) {
    ExhaustedStorage storage(saved == 2 ? "step_00000003" : "step_00000004");
    TestingCheckpointManager manager(options(saved == 2 ? 1 : 3), storage);
    const std::vector<std::int64_t> before = manager.steps();
    CapturedWarnings warnings;
    save(manager, saved);
    EXPECT_THAT(manager.steps(), ::testing::IsSupersetOf(before)) << saved;
    EXPECT_THAT(warnings.all, Contains(HasSubstr("Too many open files"))) << saved;
    if (saved == 2) continue;
    storage.recover();
    warnings.all.clear();
    save(manager, 5);
    EXPECT_THAT(manager.steps(), ElementsAre(3, 4, 5));
    EXPECT_THAT(warnings.all, IsEmpty());
  }
}

TEST_P(Manager, ASaveThatWaitsForAnotherCanBeCancelled) {
  WatchedLocks storage;
  TestingCheckpointManager manager(options(), storage);
  save(manager, 1);
  auto lock = storage::posix().try_lock(directory_ / "run" / ".step_directories.lock");
  ASSERT_TRUE(lock);
  const std::size_t before = storage.tries();
  SaveHandle handle = manager.save_async(2, *model_);
  while (storage.tries() == before) std::this_thread::yield();
  EXPECT_FALSE(handle.done());
  handle.cancel();
  auto over = std::async(std::launch::async, [&] { handle.wait(); });
  EXPECT_EQ(over.wait_for(std::chrono::seconds(1)), std::future_status::ready);
  lock.reset();
  EXPECT_THROW(over.get(), CancelledError);
  EXPECT_THAT(files(), ElementsAre("step_00000001"));
}

TEST_P(Manager, ARelativeDirectoryIsThatOfWhereTheManagerWasMade) {
  std::filesystem::create_directory(directory_ / "elsewhere");
  CheckpointManagerOptions relative = options();
  relative.directory = "run/";
  const WorkingDirectory here(directory_.path());
  CheckpointManager manager(relative);
  save(manager, 1);
  auto lock = storage::posix().try_lock(directory_ / "run" / ".step_directories.lock");
  ASSERT_TRUE(lock);
  set(2);
  SaveHandle handle = manager.save_async(2, *model_);
  const WorkingDirectory there(directory_ / "elsewhere");
  lock.reset();
  handle.wait();
  EXPECT_THAT(files(), ElementsAre("step_00000001", "step_00000002"));
  EXPECT_THAT(storage::posix().list(directory_ / "elsewhere"), IsEmpty());
  set(-1);
  EXPECT_EQ(manager.restore_latest(*model_), 2);
  EXPECT_TRUE(holds(2));
}

TEST_P(Manager, CleansUpWhatACrashLeftAndNothingElse) {
  const auto run = directory_ / "run";
  CheckpointManager first(options());
  save(first, 1);
  save(first, 2);
  const auto leave = [&](const std::string& name) {
    std::filesystem::create_directories(run / name / "inner");
    std::ofstream(run / name / "model.weights.h5") << "partial";
  };
  const std::string id = checkpoint::make_save_name();
  leave(".step_00000003." + id + ".making");
  leave(".step_00000004." + id + ".removed");
  leave(".step_00000001." + id + ".replaced");  // was replaced
  std::filesystem::rename(run / "step_00000002", run / (".step_00000002." + id + ".replaced"));
  const std::vector<std::string> foreign = {".step_00000003.mine.making",
                                            ".step_3." + id + ".making",
                                            ".step_00000003." + id + ".other",
                                            "step_00000009",
                                            "step_9",
                                            "notes"};
  for (const auto& name : foreign) std::filesystem::create_directories(run / name);
  CheckpointManager manager(options());
  EXPECT_THAT(manager.steps(), ElementsAre(1, 2));
  EXPECT_EQ(manager.restore_latest(*model_), 2);
  EXPECT_TRUE(holds(2));
  std::vector<std::string> expected = foreign;
  expected.insert(expected.end(), {"step_00000001", "step_00000002"});
  EXPECT_THAT(files(), ::testing::UnorderedElementsAreArray(expected));
}

TEST_P(Manager, NothingThatIsHalfRemovedComesBack) {
  CheckpointManager all(options(0));
  for (std::int64_t step = 1; step <= 3; ++step) save(all, step);
  ReluctantStorage storage;
  CapturedWarnings warnings;
  // Replaces the first step, whose turn to go it is.
  TestingCheckpointManager manager(options(2), storage);
  save(manager, 1);
  EXPECT_THAT(warnings.all, Contains(HasSubstr("unlink failed")));
  warnings.all.clear();
  CheckpointManager next(options(2));
  EXPECT_EQ(files().size(), next.steps().size());
  for (const std::int64_t step : next.steps()) {
    EXPECT_TRUE(checkpoint::is_sound(next.path(step), storage::posix())) << step;
  }
  save(next, 4);
  EXPECT_THAT(files(), ElementsAre("step_00000003", "step_00000004"));
  EXPECT_THAT(warnings.all, IsEmpty());
}

TEST_P(Manager, WhatADeadSaveOfSomebodyElseHasLeftStaysAndIsInNobodysWay) {
  const auto run = directory_ / "run";
  const std::string id = checkpoint::make_save_name();
  const std::string left = ".step_00000003." + id + ".making";
  const std::string gone = ".step_00000004." + checkpoint::make_save_name() + ".making";
  for (const std::string& name : {left, gone}) {
    std::filesystem::create_directories(run / name);
    std::ofstream(run / name / "model.weights.h5") << "partial";
  }
  StickyStorage storage(id);
  CapturedWarnings warnings;
  TestingCheckpointManager manager(options(), storage);
  EXPECT_THAT(files(), ElementsAre(left));
  save(manager, 1);
  EXPECT_THAT(files(), ElementsAre(left, "step_00000001"));
  EXPECT_EQ(manager.restore_latest(*model_), 1);
  EXPECT_TRUE(holds(1));
  ASSERT_EQ(warnings.all.size(), 2U);  // of the manager's making, and of the save
  for (const std::string& warning : warnings.all) {
    EXPECT_THAT(warning, HasSubstr((run / left / "model.weights.h5").string()));
    EXPECT_THAT(warning, HasSubstr("Operation not permitted"));
  }
}

TEST_P(Manager, RemovesTheLockOfADeadSaveThatLeftNothingElse) {
  CheckpointManager(options()).save(1, *model_);
  std::ofstream(directory_ / "run" / ".step_directories.lock");
  const CheckpointManager manager(options());
  EXPECT_THAT(files(), ElementsAre("step_00000001"));
}

TEST_P(Manager, LeavesTheDirectoriesOfASaveAtWorkAlone) {
  CheckpointManager(options()).save(1, *model_);
  const auto run = directory_ / "run";
  const std::string making = ".step_00000003." + checkpoint::make_save_name() + ".making";
  std::filesystem::create_directories(run / making);
  const auto lock = storage::posix().try_lock(run / ".step_directories.lock");
  ASSERT_NE(lock, nullptr);
  const CheckpointManager manager(options());
  EXPECT_THAT(files(), Contains(making));
}

TEST_P(Manager, RefusesBadArguments) {
  for (const char* name : {"model.h5", "a/model.weights.h5", ".hidden.weights.h5"}) {
    CheckpointManagerOptions bad = options();
    bad.file_name = name;
    EXPECT_THROW(CheckpointManager{bad}, ValueError) << name;
  }
  EXPECT_THROW(CheckpointManager{options(1, -1)}, ValueError);
  CheckpointManager manager(options());
  EXPECT_THROW(manager.save(-1, *model_), ValueError);
  const auto unbuilt = Sequential::create({layers::Dense({.units = 3})});
  EXPECT_THROW((void)manager.save_async(1, *unbuilt), ValueError);
  EXPECT_FALSE(std::filesystem::exists(directory_ / "run"));
}

TEST_P(Manager, AFailureInTheBackgroundIsThrownByTheNextSave) {
  FaultyStorage storage;
  TestingCheckpointManager manager(options(), storage);
  storage.fail_at(9);  // its directory cannot be made
  set(1);
  SaveHandle handle = manager.save_async(1, *model_);
  while (!handle.done()) std::this_thread::yield();
  storage.fail_never();
  EXPECT_THROW((void)manager.save_async(2, *model_), StorageError);
  handle.wait();  // has been thrown
  save(manager, 3);
  EXPECT_THAT(manager.steps(), ElementsAre(3));
}

TEST_P(Manager, FaultsAtAnyCallLeaveACompleteCheckpoint) {
  std::size_t failed = 0, none = 0;
  // A new step, and one that is there and is replaced, in one step and in two, until no call is
  // left to fail in any.
  for (std::size_t n = 0; none < 3; ++n) {
    const std::int64_t step = n % 3 == 0 ? 3 : 2;
    SCOPED_TRACE(n);
    std::filesystem::remove_all(directory_ / "run");
    FaultyStorage storage;
    if (n % 3 == 1) storage.forbid_exchanges();
    TestingCheckpointManager manager(options(2), storage);
    save(manager, 1);
    save(manager, 2);
    CapturedWarnings warnings;
    storage.fail_at(n / 3);
    set(30);
    bool thrown = false;
    try {
      manager.save(step, *model_);
    } catch (const StorageError& error) {
      thrown = true;
      ++failed;
      EXPECT_THAT(error.what(), HasSubstr("injected fault"));
    }
    const bool reached = storage.faults() > 0;
    storage.fail_never();
    set(-1);
    EXPECT_EQ(manager.restore_latest(*model_), thrown ? 2 : step);
    EXPECT_TRUE(holds(thrown ? 2 : 30));
    save(manager, 4);
    EXPECT_EQ(manager.restore_latest(*model_), 4);
    for (const std::string& file : files()) EXPECT_FALSE(file.starts_with('.')) << file;
    none = reached ? 0 : none + 1;
  }
  EXPECT_GT(failed, 30U);
}

TEST_P(Manager, AStorageThatDiesAtAnyCallLeavesACompleteCheckpoint) {
  std::size_t failed = 0, none = 0;
  for (std::size_t n = 0; none < 3; ++n) {
    SCOPED_TRACE(n);
    std::filesystem::remove_all(directory_ / "run");
    FaultyStorage storage;
    if (n % 3 == 1) storage.forbid_exchanges();
    const std::int64_t step = n % 3 == 0 ? 3 : 2;
    bool thrown = false;
    {
      TestingCheckpointManager manager(options(2), storage);
      save(manager, 1);
      save(manager, 2);
      CapturedWarnings warnings;
      storage.fail_at(n / 3, true);
      set(30);
      try {
        manager.save(step, *model_);
      } catch (const StorageError&) {
        thrown = true;
        ++failed;
      }
    }
    const bool reached = storage.faults() > 0;
    CapturedWarnings warnings;
    CheckpointManager next(options(2));  // of the next process
    set(-1);
    const auto restored = next.restore_latest(*model_);
    ASSERT_TRUE(restored);
    EXPECT_TRUE((thrown && holds(2)) || (*restored == step && holds(30))) << *restored;
    EXPECT_THAT(warnings.all, IsEmpty());
    for (const std::string& file : files()) EXPECT_FALSE(file.starts_with('.')) << file;
    none = reached ? 0 : none + 1;
  }
  EXPECT_GT(failed, 18U);
}

INSTANTIATE_TEST_SUITE_P(Kinds, Manager, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "Sharded" : "Single"; });

}  // namespace
}  // namespace lamina
