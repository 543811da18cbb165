#include <gmock/gmock.h>

#include <algorithm>
#include <cerrno>
#include <thread>

#include "tests/fakes/captured_warnings.h"
#include "tests/fakes/passing_storage.h"
#include "tests/models/weights/manager_scene.h"

namespace lamina {
namespace {

using namespace test;
using lamina::testing::CapturedWarnings;
using lamina::testing::PassingStorage;
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

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

constexpr const char* kNoExchange = "names cannot change places in this file system";

/// Saves a step that is there.
class ManagerReplace : public ManagerScene {};

TEST_P(ManagerReplace, OfAStepThatIsReplacedByTheOtherKindNothingStays) {
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

TEST_P(ManagerReplace, ReplacesAStepThatIsThere) {
  CheckpointManager manager(options());
  save(manager, 5);
  set(6);
  manager.save(5, *model_);
  set(-1);
  EXPECT_EQ(manager.restore_latest(*model_), 5);
  EXPECT_TRUE(holds(6));
  EXPECT_THAT(files(), ElementsAre("step_00000005"));
}

TEST_P(ManagerReplace, AStepThatIsReplacedIsInSightAllTheTime) {
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

TEST_P(ManagerReplace, AStepThatIsReplacedCostsOneSyncOfTheDirectory) {
  if (!names_change_places()) GTEST_SKIP() << kNoExchange;
  CheckpointManager manager(options());
  save(manager, 5);
  OneWayStorage storage(false);
  set(6);
  TestingCheckpointManager(options(), storage).save(5, *model_);
  EXPECT_EQ(storage.syncs(), 1U);
  EXPECT_THAT(files(), ElementsAre("step_00000005"));
}

TEST_P(ManagerReplace, AReplacementThatCannotBeUndoneLeavesBothToTheNextSave) {
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

INSTANTIATE_TEST_SUITE_P(Kinds, ManagerReplace, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "Sharded" : "Single"; });

}  // namespace
}  // namespace lamina
