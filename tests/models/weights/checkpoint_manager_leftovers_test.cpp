#include <gmock/gmock.h>

#include <cerrno>
#include <fstream>

#include "checkpoint/commit/hidden_names.h"
#include "checkpoint/verify/soundness.h"
#include "tests/fakes/captured_warnings.h"
#include "tests/fakes/passing_storage.h"
#include "tests/models/weights/manager_scene.h"

namespace lamina {
namespace {

using namespace test;
using lamina::testing::CapturedWarnings;
using lamina::testing::PassingStorage;
using ::testing::Contains;
using ::testing::ElementsAre;
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

/// Finds what others left, or are at work on.
class ManagerLeftovers : public ManagerScene {};

TEST_P(ManagerLeftovers, CleansUpWhatACrashLeftAndNothingElse) {
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

TEST_P(ManagerLeftovers, NothingThatIsHalfRemovedComesBack) {
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

TEST_P(ManagerLeftovers, WhatADeadSaveOfSomebodyElseHasLeftStaysAndIsInNobodysWay) {
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

TEST_P(ManagerLeftovers, RemovesTheLockOfADeadSaveThatLeftNothingElse) {
  CheckpointManager(options()).save(1, *model_);
  std::ofstream(directory_ / "run" / ".step_directories.lock");
  const CheckpointManager manager(options());
  EXPECT_THAT(files(), ElementsAre("step_00000001"));
}

TEST_P(ManagerLeftovers, LeavesTheDirectoriesOfASaveAtWorkAlone) {
  CheckpointManager(options()).save(1, *model_);
  const auto run = directory_ / "run";
  const std::string making = ".step_00000003." + checkpoint::make_save_name() + ".making";
  std::filesystem::create_directories(run / making);
  const auto lock = storage::posix().try_lock(run / ".step_directories.lock");
  ASSERT_NE(lock, nullptr);
  const CheckpointManager manager(options());
  EXPECT_THAT(files(), Contains(making));
}

INSTANTIATE_TEST_SUITE_P(Kinds, ManagerLeftovers, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "Sharded" : "Single"; });

}  // namespace
}  // namespace lamina
