#include <gmock/gmock.h>

#include <thread>

#include "tests/fakes/captured_warnings.h"
#include "tests/fakes/faulty_storage.h"
#include "tests/models/weights/manager_scene.h"

namespace lamina {
namespace {

using namespace test;
using lamina::testing::CapturedWarnings;
using lamina::testing::FaultyStorage;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// Calls of the storage fail.
class ManagerFaults : public ManagerScene {};

TEST_P(ManagerFaults, AFailureInTheBackgroundIsThrownByTheNextSave) {
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

TEST_P(ManagerFaults, FaultsAtAnyCallLeaveACompleteCheckpoint) {
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

TEST_P(ManagerFaults, AStorageThatDiesAtAnyCallLeavesACompleteCheckpoint) {
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

INSTANTIATE_TEST_SUITE_P(Kinds, ManagerFaults, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "Sharded" : "Single"; });

}  // namespace
}  // namespace lamina
