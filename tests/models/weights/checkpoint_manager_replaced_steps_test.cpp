// What is restored and listed while a step is between two names, or its save died there.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <cerrno>
#include <chrono>
#include <future>

#include "checkpoint/commit/hidden_names.h"
#include "checkpoint/steps/recover_directory.h"
#include "tests/fakes/captured_warnings.h"
#include "tests/fakes/passing_storage.h"
#include "tests/models/weights/manager_scene.h"

namespace lamina {
namespace {

using namespace test;
using checkpoint::make_save_name;
using lamina::testing::CapturedWarnings;
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

class ManagerReplacedSteps : public ManagerScene {
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

TEST_P(ManagerReplacedSteps, RestoresAStepThatIsJustReplacedWhereNamesCannotChangePlaces) {
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

TEST_P(ManagerReplacedSteps, ListsAStepThatIsJustReplacedWhereNamesCannotChangePlaces) {
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

TEST_P(ManagerReplacedSteps, ListsAStepWhoseSaveDiedBetweenItsTwoRenames) {
  (void)save_steps_and_another();
  const CheckpointManager manager(options());
  std::filesystem::rename(step_100(), hidden_as_replaced(step_100()));
  EXPECT_THAT(manager.steps(), ElementsAre(30, 100));
  EXPECT_TRUE(std::filesystem::exists(manager.path(100)));
}

TEST_P(ManagerReplacedSteps, WaitsForAStepThatIsJustReplacedWhereNamesCannotChangePlaces) {
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

TEST_P(ManagerReplacedSteps, PutsAStepBackWhoseSaveDiedBetweenItsTwoRenames) {
  (void)save_steps_and_another();
  const CheckpointManager manager(options());
  std::filesystem::rename(step_100(), hidden_as_replaced(step_100()));
  const CapturedWarnings warnings;
  EXPECT_EQ(manager.restore_latest(*model_), 100);
  EXPECT_TRUE(holds(100));
  EXPECT_THAT(files(), ElementsAre("step_00000030", "step_00000100"));
  EXPECT_THAT(warnings.all, IsEmpty());
}

TEST_P(ManagerReplacedSteps, SaysOfAStepWhoseSaveDiedThatItCannotBePutBack) {
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
TEST_P(ManagerReplacedSteps, WithoutLocksARecoverySaysWhichDirectoryIsTheStepThatWasReplaced) {
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
TEST_P(ManagerReplacedSteps, IsNotHeldUpByALinkThatLeadsNowhere) {
  (void)save_steps_and_another();
  std::filesystem::create_symlink("nowhere", directory_ / "run" / "step_00000500");
  const CheckpointManager manager(options());
  EXPECT_EQ(manager.restore_latest(*model_), 100);
  EXPECT_TRUE(holds(100));
}

INSTANTIATE_TEST_SUITE_P(Kinds, ManagerReplacedSteps, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "Sharded" : "Single"; });

}  // namespace
}  // namespace lamina
