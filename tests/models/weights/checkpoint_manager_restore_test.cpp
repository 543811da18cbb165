// What is restored: the newest checkpoint that can be, while others come and go.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <cerrno>
#include <functional>
#include <optional>

#include "core/free_memory.h"
#include "tests/fakes/captured_warnings.h"
#include "tests/fakes/fake_gpu.h"
#include "tests/fakes/faulty_storage.h"
#include "tests/fakes/passing_storage.h"
#include "tests/models/weights/manager_scene.h"

namespace lamina {
namespace {

using namespace test;
using lamina::testing::CapturedWarnings;
using lamina::testing::FakeGpu;
using lamina::testing::FaultyStorage;
using lamina::testing::PassingStorage;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

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

class ManagerRestore : public ManagerScene {};

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
