#include <gmock/gmock.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <future>
#include <thread>

#include "tests/fakes/captured_warnings.h"
#include "tests/fakes/passing_storage.h"
#include "tests/fakes/working_directory.h"
#include "tests/models/weights/manager_scene.h"

namespace lamina {
namespace {

using namespace test;
using lamina::testing::CapturedWarnings;
using lamina::testing::PassingStorage;
using lamina::testing::WorkingDirectory;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

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

INSTANTIATE_TEST_SUITE_P(Kinds, Manager, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "Sharded" : "Single"; });

}  // namespace
}  // namespace lamina
