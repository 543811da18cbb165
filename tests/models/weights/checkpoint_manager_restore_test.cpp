#include <fmt/format.h>
#include <gmock/gmock.h>

#include <cerrno>
#include <chrono>
#include <functional>
#include <future>
#include <optional>

#include "checkpoint/commit/hidden_names.h"
#include "checkpoint/steps/recover_directory.h"
#include "core/free_memory.h"
#include "tests/fakes/captured_warnings.h"
#include "tests/fakes/fake_gpu.h"
#include "tests/fakes/faulty_storage.h"
#include "tests/fakes/passing_storage.h"
#include "tests/models/weights/manager_scene.h"

namespace lamina {
namespace {

using namespace test;
using checkpoint::make_save_name;
using lamina::testing::CapturedWarnings;
using lamina::testing::FakeGpu;
using lamina::testing::FaultyStorage;
using lamina::testing::PassingStorage;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// ".step_00000100.SAVE.replaced" for "step_00000100".
std::filesystem::path hidden_as_replaced(const std::filesystem::path& step) {
  return step.parent_path() /
         fmt::format(".{}.{}.replaced", step.filename().string(), make_save_name());
}

/// Does something before a file of step 100 is opened for the n-th time.
class InterruptedStorage final : public PassingStorage {
 public:
  InterruptedStorage(std::size_t before, std::function<void()> action)
      : before_(before), action_(std::move(action)) {}
  std::unique_ptr<storage::ReadableFile> open(const Path& path) override {
    if (path.string().find("step_00000100") != std::string::npos && opened_++ == before_) action_();
    return inner().open(path);
  }

 private:
  std::size_t before_, opened_ = 0;
  std::function<void()> action_;
};

/// Just before its n-th look at files or names another process, where names cannot change places,
/// has hidden the directory `step` as replaced; right after that look the `fresh` one is there.
class ReplacedStorage final : public PassingStorage {
 public:
  ReplacedStorage(std::size_t before, Path step, Path fresh)
      : before_(before), step_(std::move(step)), fresh_(std::move(fresh)) {}
  std::unique_ptr<storage::ReadableFile> open(const Path& path) override {
    const Between between(*this);
    return inner().open(path);
  }
  bool exists(const Path& path) override {
    const Between between(*this);
    return inner().exists(path);
  }
  std::vector<std::string> list(const Path& path) override {
    const Between between(*this);
    return inner().list(path);
  }
  [[nodiscard]] bool reached() const { return looks_ > before_; }

 private:
  struct Between {
    explicit Between(ReplacedStorage& storage)
        : owner(storage), now(owner.looks_++ == owner.before_) {
      if (now) std::filesystem::rename(owner.step_, hidden_as_replaced(owner.step_));
    }
    ~Between() {
      std::error_code ignored;  // the step is seen to be missing then
      if (now) std::filesystem::rename(owner.fresh_, owner.step_, ignored);
    }
    Between(const Between&) = delete;
    Between& operator=(const Between&) = delete;
    ReplacedStorage& owner;
    const bool now;
  };

  const std::size_t before_;
  const Path step_, fresh_;
  std::size_t looks_ = 0;
};

/// Gives nobody the right to make a lock.
class ForeignStorage final : public PassingStorage {
 public:
  std::unique_ptr<storage::Lock> try_lock(const Path& path) override {
    throw StorageError("open failed for '" + path.string() + "': Permission denied", EACCES);
  }
};

/// A step is there whenever it is listed, always another, and never when it is opened.
class VanishingStorage final : public PassingStorage {
 public:
  std::vector<std::string> list(const Path&) override {
    return {fmt::format("step_{:08}", ++listed_)};
  }
  bool exists(const Path&) override { return true; }
  std::unique_ptr<storage::ReadableFile> open(const Path& path) override {
    throw FileNotFoundError("open failed for '" + path.string() + "'", ENOENT);
  }
  [[nodiscard]] std::size_t listed() const { return listed_; }

 private:
  std::size_t listed_ = 0;
};

class ManagerRestore : public ManagerScene {
 protected:
  /// Steps 30 and 100, and another 100 elsewhere, which is returned.
  std::filesystem::path save_steps_and_another() {
    for (const char* name : {"run", "elsewhere"}) std::filesystem::remove_all(directory_ / name);
    CheckpointManager manager(options());
    save(manager, 30);
    save(manager, 100);
    CheckpointManagerOptions elsewhere = options();
    elsewhere.directory = directory_ / "elsewhere";
    set(200);
    CheckpointManager(elsewhere).save(100, *model_);
    set(-1);
    return directory_ / "elsewhere" / "step_00000100";
  }
  [[nodiscard]] std::filesystem::path step_100() const {
    return directory_ / "run" / "step_00000100";
  }
};

TEST_P(ManagerRestore, RestoringSkipsAndReportsWhatDoesNotLoad) {
  CheckpointManager manager(options());
  for (std::int64_t step = 1; step <= 3; ++step) save(manager, step);
  damage(manager, 3);
  std::filesystem::remove(manager.path(2));  // not a checkpoint any more
  set(-1);
  CapturedWarnings warnings;
  EXPECT_EQ(manager.restore_latest(*model_), 1);
  EXPECT_TRUE(holds(1));
  EXPECT_THAT(warnings.all,
              ElementsAre(AllOf(HasSubstr("step 3 was skipped"), HasSubstr("step_00000003"))));
}

TEST_P(ManagerRestore, WhenNothingLoadsTheNewestOnesErrorIsThrown) {
  CheckpointManager manager(options());
  for (std::int64_t step = 1; step <= 2; ++step) save(manager, step), damage(manager, step);
  set(-1);
  CapturedWarnings warnings;
  EXPECT_THROW((void)manager.restore_latest(*model_), FormatError);
  EXPECT_TRUE(holds(-1));
  EXPECT_EQ(warnings.all.size(), 2U);
}

// As a process that evaluates what another trains.
TEST_P(ManagerRestore, RestoresTheNewestThoughAnotherRemovesWhatWasListed) {
  const auto trained = small_model();
  for (const std::int64_t every_n : {0, 30}) {
    bool reached = true;
    for (std::size_t before = 0; reached; ++before) {
      SCOPED_TRACE(fmt::format("every {}, before opening {}", every_n, before));
      reached = false;
      std::filesystem::remove_all(directory_ / "run");
      CheckpointManager trainer(options(1, every_n));
      for (const std::int64_t step : {30, 100}) {
        set(*trained, static_cast<float>(step));
        trainer.save(step, *trained);
      }
      InterruptedStorage storage(before, [&] {
        reached = true;
        set(*trained, 200);
        trainer.save(200, *trained);
        EXPECT_FALSE(std::filesystem::exists(directory_ / "run" / "step_00000100"));
      });
      set(-1);
      const CapturedWarnings warnings;
      const TestingCheckpointManager manager(options(1, every_n), storage);
      const std::optional<std::int64_t> restored = manager.restore_latest(*model_);
      EXPECT_EQ(restored.value_or(-1), reached ? 200 : 100);
      EXPECT_TRUE(holds(reached ? 200 : 100));
      EXPECT_THAT(warnings.all, IsEmpty());
      EXPECT_TRUE(reached || before > 0);
    }
  }
}

TEST_P(ManagerRestore, RestoresAStepThatIsJustReplacedWhereNamesCannotChangePlaces) {
  bool reached = true;
  std::size_t before = 0;
  for (; reached && !HasFailure(); ++before) {
    SCOPED_TRACE(fmt::format("before look {}", before));
    ReplacedStorage storage(before, step_100(), save_steps_and_another());
    const CapturedWarnings warnings;
    const TestingCheckpointManager manager(options(), storage);
    EXPECT_EQ(manager.restore_latest(*model_), 100);
    EXPECT_TRUE(holds(100) || holds(200));
    EXPECT_THAT(warnings.all, IsEmpty());
    reached = storage.reached();
  }
  EXPECT_GT(before, 5U);
}

TEST_P(ManagerRestore, ListsAStepThatIsJustReplacedWhereNamesCannotChangePlaces) {
  for (const bool latest : {false, true}) {
    bool reached = true;
    std::size_t before = 0;
    for (; reached && !HasFailure(); ++before) {
      SCOPED_TRACE(fmt::format("before look {}", before));
      ReplacedStorage storage(before, step_100(), save_steps_and_another());
      const TestingCheckpointManager manager(options(), storage);
      if (latest) {
        EXPECT_EQ(manager.latest(), 100);
      } else {
        EXPECT_THAT(manager.steps(), ElementsAre(30, 100));
      }
      reached = storage.reached();
    }
    EXPECT_GT(before, 3U);
  }
}

TEST_P(ManagerRestore, ListsAStepWhoseSaveDiedBetweenItsTwoRenames) {
  (void)save_steps_and_another();
  const CheckpointManager manager(options());
  std::filesystem::rename(step_100(), hidden_as_replaced(step_100()));
  EXPECT_THAT(manager.steps(), ElementsAre(30, 100));
  EXPECT_TRUE(std::filesystem::exists(manager.path(100)));
}

TEST_P(ManagerRestore, WaitsForAStepThatIsJustReplacedWhereNamesCannotChangePlaces) {
  const std::filesystem::path fresh = save_steps_and_another();
  auto lock = storage::posix().try_lock(directory_ / "run" / ".step_directories.lock");
  ASSERT_TRUE(lock);
  const CheckpointManager manager(options());
  const std::filesystem::path hidden = hidden_as_replaced(step_100());
  std::filesystem::rename(step_100(), hidden);
  const CapturedWarnings warnings;
  auto restored =
      std::async(std::launch::async, [&] { return manager.restore_latest(*model_).value_or(-1); });
  EXPECT_EQ(restored.wait_for(std::chrono::milliseconds(60)), std::future_status::timeout);
  std::filesystem::rename(fresh, step_100());
  EXPECT_EQ(restored.get(), 100);
  EXPECT_TRUE(holds(200));
  EXPECT_THAT(warnings.all, IsEmpty());
  EXPECT_TRUE(std::filesystem::exists(hidden));  // is the save's, which has the lock
}

TEST_P(ManagerRestore, PutsAStepBackWhoseSaveDiedBetweenItsTwoRenames) {
  (void)save_steps_and_another();
  const CheckpointManager manager(options());
  std::filesystem::rename(step_100(), hidden_as_replaced(step_100()));
  const CapturedWarnings warnings;
  EXPECT_EQ(manager.restore_latest(*model_), 100);
  EXPECT_TRUE(holds(100));
  EXPECT_THAT(files(), ElementsAre("step_00000030", "step_00000100"));
  EXPECT_THAT(warnings.all, IsEmpty());
}

TEST_P(ManagerRestore, SaysOfAStepWhoseSaveDiedThatItCannotBePutBack) {
  (void)save_steps_and_another();
  std::filesystem::rename(step_100(), hidden_as_replaced(step_100()));
  ForeignStorage storage;
  CapturedWarnings warnings;
  const TestingCheckpointManager manager(options(), storage);
  warnings.all.clear();  // the manager could not clean up
  EXPECT_EQ(manager.restore_latest(*model_), 30);
  EXPECT_TRUE(holds(30));
  EXPECT_THAT(warnings.all,
              ElementsAre(AllOf(HasSubstr("step 100 "), HasSubstr("Permission denied"),
                                HasSubstr("lamina recover " + (directory_ / "run").string()))));
}

// Where there are no locks a recovery must not guess, nor say that there is nothing to recover.
TEST_P(ManagerRestore, WithoutLocksARecoverySaysWhichDirectoryIsTheStepThatWasReplaced) {
  struct NoLocks final : PassingStorage {
    struct Nobodys final : storage::Lock {
      [[nodiscard]] bool exclusive() const override { return false; }
    };
    std::unique_ptr<storage::Lock> try_lock(const Path&) override {
      return std::make_unique<Nobodys>();
    }
  } storage;
  (void)save_steps_and_another();
  const std::filesystem::path hidden = hidden_as_replaced(step_100());
  std::filesystem::rename(step_100(), hidden);
  std::filesystem::create_directory(hidden_as_replaced(directory_ / "run" / "step_00000030"));
  const checkpoint::Recovery done = checkpoint::recover_directory(directory_ / "run", storage);
  EXPECT_THAT(done.problems, ElementsAre(AllOf(HasSubstr(hidden.string()), HasSubstr("step 100,"),
                                               HasSubstr("rename it to 'step_00000100'"))));
  EXPECT_TRUE(std::filesystem::exists(hidden));
}

// Nobody is replacing it, so there is nothing to wait for but for a moment.
TEST_P(ManagerRestore, IsNotHeldUpByALinkThatLeadsNowhere) {
  (void)save_steps_and_another();
  std::filesystem::create_symlink("nowhere", directory_ / "run" / "step_00000500");
  const CheckpointManager manager(options());
  EXPECT_EQ(manager.restore_latest(*model_), 100);
  EXPECT_TRUE(holds(100));
}

TEST_P(ManagerRestore, GivesUpRestoringWhereWhatIsListedIsAlwaysGone) {
  VanishingStorage storage;
  const TestingCheckpointManager manager(options(), storage);
  const CapturedWarnings warnings;
  set(-1);
  try {
    (void)manager.restore_latest(*model_);
    ADD_FAILURE() << "restored";
  } catch (const StorageError& error) {
    EXPECT_EQ(error.code(), EAGAIN);
  }
  EXPECT_GT(storage.listed(), 1000U);
  EXPECT_TRUE(holds(-1));
  EXPECT_THAT(warnings.all, IsEmpty());
}

// Each of these would be gone with the next try, or is the caller's mistake: an older checkpoint
// would only lose steps.
TEST_P(ManagerRestore, RestoringGoesBackNoFurtherForWhatSaysNothingOfTheFiles) {
  FaultyStorage storage;
  TestingCheckpointManager manager(options(), storage);
  for (std::int64_t step = 1; step <= 2; ++step) save(manager, step);
  set(-1);
  CapturedWarnings warnings;
  std::size_t thrown = 0;
  for (const int code : {EMFILE, ENFILE, EACCES, ESTALE, EIO, ENOMEM}) {
    for (std::size_t n = 0;; ++n) {
      SCOPED_TRACE(n);
      const std::size_t before = storage.faults();
      storage.fail_at(n, false, code);
      try {
        EXPECT_EQ(manager.restore_latest(*model_), 2);
        EXPECT_TRUE(holds(2));
        set(-1);
      } catch (const StorageError& error) {
        EXPECT_EQ(error.code(), code);
        EXPECT_TRUE(holds(-1));
        ++thrown;
      }
      if (storage.faults() == before) break;
    }
  }
  EXPECT_GT(thrown, 6U * 6);
  EXPECT_THAT(warnings.all, IsEmpty());
}

TEST_P(ManagerRestore, RestoringAModelOfAnotherStructureSaysThatItDoesNotFit) {
  CheckpointManager manager(options());
  const auto other =
      Sequential::create({layers::InputLayer({.shape = Shape{5}}), layers::Dense({.units = 3})});
  set(0);
  manager.save(1, *other);
  save(manager, 2);
  CapturedWarnings warnings;
  EXPECT_THROW((void)manager.restore_latest(*other), MismatchError);
  const auto unbuilt = Sequential::create({layers::Dense({.units = 3})});
  EXPECT_THROW((void)manager.restore_latest(*unbuilt), ValueError);
  EXPECT_THAT(warnings.all, IsEmpty());
}

TEST_P(ManagerRestore, RestoringToADeviceWithoutRoomSaysSo) {
  const FakeGpu gpu;
  CheckpointManager manager(options());
  for (std::int64_t step = 1; step <= 2; ++step) save(manager, step);
  set(-1);
  model_->to(Device::cuda(0));
  CapturedWarnings warnings;
  gpu->fail_at(0, "cudaErrorMemoryAllocation");
  std::optional<core::ReplacedFreeMemory> none(0);  // nor on the host
  try {
    (void)manager.restore_latest(*model_);
    ADD_FAILURE() << "restored";
  } catch (const DeviceError& error) {
    EXPECT_TRUE(error.out_of_memory());
    EXPECT_THAT(error.what(), HasSubstr("step_00000002"));
  }
  none.reset();
  EXPECT_THAT(warnings.all, IsEmpty());
  gpu->fail_at(0, "cudaErrorMemoryAllocation");
  EXPECT_EQ(manager.restore_latest(*model_), 2);
  gpu->fail_never();
  model_->to(Device::cpu());
  EXPECT_TRUE(holds(2));
}

TEST_P(ManagerRestore, RestoringSkipsWhatAFlippedBitHasChanged) {
  CheckpointManager manager(options());
  for (std::int64_t step = 1; step <= 3; ++step) save(manager, step);
  flip(manager, 3);
  set(-1);
  CapturedWarnings warnings;
  EXPECT_EQ(manager.restore_latest(*model_), 2);
  EXPECT_TRUE(holds(2));
  EXPECT_THAT(warnings.all, ElementsAre(AllOf(HasSubstr("step 3 was skipped"),
                                              HasSubstr("'/layers/dense/vars/0' is damaged"))));
  EXPECT_EQ(manager.restore_latest(*model_, {.verify = false}), 3);
}

INSTANTIATE_TEST_SUITE_P(Kinds, ManagerRestore, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "Sharded" : "Single"; });

}  // namespace
}  // namespace lamina
