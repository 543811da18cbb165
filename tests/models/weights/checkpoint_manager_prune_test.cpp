// Steps that are to go: before the disk is asked for more, and where the file system will not
// rename their directory.
#include <gmock/gmock.h>
#include <lamina/error.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <utility>
#include <vector>

#include "checkpoint/verify/soundness.h"
#include "tests/fakes/captured_warnings.h"
#include "tests/fakes/passing_storage.h"
#include "tests/models/weights/manager_scene.h"

namespace lamina {
namespace {

using namespace test;
using lamina::testing::CapturedWarnings;
using lamina::testing::PassingStorage;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// Gives some directories no other name, with the error for each: EXDEV is what an overlay says of
/// those of its lower layers. Notes what is removed and synced.
class FixedNames final : public PassingStorage {
 public:
  struct Event {
    bool removes;
    Path path;
  };

  explicit FixedNames(std::map<std::string, int> errors) : errors_(std::move(errors)) {}
  void rename(const Path& from, const Path& to) override {
    refuse("rename", from);
    inner().rename(from, to);
  }
  bool exchange(const Path& a, const Path& b) override {
    refuse("renameat2", b);
    return inner().exchange(a, b);
  }
  void remove(const Path& path) override {
    inner().remove(path);
    events.push_back({true, path});
  }
  void remove_directory(const Path& path) override {
    if (path.filename() == stuck) throw StorageError("rmdir failed for " + path.string(), EIO);
    inner().remove_directory(path);
  }
  void sync_directory(const Path& path) override {
    inner().sync_directory(path);
    events.push_back({false, path});
  }

  std::vector<Event> events;
  std::string stuck;  ///< the directory that will not go

 private:
  void refuse(const std::string& call, const Path& path) const {
    const auto found = errors_.find(path.filename().string());
    if (found == errors_.end()) return;
    throw StorageError(call + " failed for '" + path.string() + "'", found->second);
  }
  std::map<std::string, int> errors_;
};

/// A disk that is full while a directory holds more than so many steps.
class FullOfSteps final : public PassingStorage {
 public:
  FullOfSteps(std::filesystem::path directory, std::size_t room)
      : directory_(std::move(directory)), room_(room) {}
  std::unique_ptr<storage::WritableFile> create(const Path& path) override {
    const std::vector<std::string> names = inner().list(directory_);
    const auto steps = std::count_if(names.begin(), names.end(), [](const std::string& name) {
      return name.find("step_0") != name.npos && !name.ends_with(".making");
    });
    if (static_cast<std::size_t>(steps) > room_) throw StorageError("open failed", ENOSPC);
    return inner().create(path);
  }

 private:
  std::filesystem::path directory_;
  std::size_t room_;
};

class ManagerPrune : public ManagerScene {
 protected:
  void save_all(std::vector<std::int64_t> steps) {
    CheckpointManager all(options(0));
    for (const std::int64_t step : steps) save(all, step);
  }
  /// A save for which there is no room.
  void fails_to_save(std::size_t max_to_keep, std::int64_t step) {
    FullOfSteps storage(directory_ / "run", 0);
    TestingCheckpointManager manager(options(max_to_keep), storage);
    try {
      save(manager, step);
      ADD_FAILURE() << "was saved";
    } catch (const StorageError& error) {
      EXPECT_EQ(error.code(), ENOSPC);
    }
  }
  /// Whether its checkpoint was taken away before anything else of the directory, each durably.
  static void expect_taken_out_of_sight_first(const std::vector<FixedNames::Event>& events,
                                              const std::filesystem::path& step,
                                              const std::string& file) {
    SCOPED_TRACE(step);
    const auto is_of_step = [&](const FixedNames::Event& event) {
      return event.path == step || event.path.parent_path() == step;
    };
    const auto first = std::find_if(events.begin(), events.end(), is_of_step);
    ASSERT_NE(first, events.end());
    EXPECT_TRUE(first->removes);
    EXPECT_EQ(first->path, step / file);
    const auto second = std::find_if(first + 1, events.end(), is_of_step);
    ASSERT_NE(second, events.end());
    EXPECT_FALSE(second->removes);
    EXPECT_EQ(second->path, step);
    const auto third = std::find_if(second + 1, events.end(), is_of_step);
    EXPECT_TRUE(std::any_of(second, third, [&](const FixedNames::Event& event) {
      return !event.removes && event.path == step.parent_path();
    }));
  }
};

TEST_P(ManagerPrune, StepsOfAnOverlaysLowerLayerGoTheirCheckpointsFirst) {
  CheckpointManager all(options(0)), others(options_of(!GetParam(), 0));
  save(all, 1);
  save(others, 2);
  save(all, 3);
  FixedNames storage(
      {{"step_00000001", EXDEV}, {"step_00000002", EXDEV}, {"step_00000003", EXDEV}});
  TestingCheckpointManager manager(options(2), storage);
  const CapturedWarnings warnings;
  save(manager, 4);
  EXPECT_THAT(files(), ElementsAre("step_00000003", "step_00000004"));
  EXPECT_THAT(manager.steps(), ElementsAre(3, 4));
  const std::string file = GetParam() ? "model.weights.json" : "model.weights.h5";
  const std::string other = GetParam() ? "model.weights.h5" : "model.weights.json";
  expect_taken_out_of_sight_first(storage.events, directory_ / "run" / "step_00000001", file);
  expect_taken_out_of_sight_first(storage.events, directory_ / "run" / "step_00000002", other);

  // One that stays cannot be replaced.
  try {
    save(manager, 3);
    ADD_FAILURE() << "was saved";
  } catch (const StorageError& error) {
    EXPECT_EQ(error.code(), EXDEV);
  }
  EXPECT_THAT(files(), ElementsAre("step_00000003", "step_00000004"));
  EXPECT_TRUE(checkpoint::is_sound(manager.path(3), storage::posix()));
  EXPECT_THAT(warnings.all, IsEmpty());
}

TEST_P(ManagerPrune, AStepThatCannotBeHiddenIsInTheWayOfNoOther) {
  CheckpointManager all(options(0));
  for (std::int64_t step = 1; step <= 3; ++step) save(all, step);
  FixedNames storage({{"step_00000001", EACCES}});
  TestingCheckpointManager manager(options(1), storage);
  const CapturedWarnings warnings;
  save(manager, 4);
  EXPECT_THAT(files(), ElementsAre("step_00000001", "step_00000004"));
  EXPECT_TRUE(checkpoint::is_sound(manager.path(1), storage::posix()));
  EXPECT_THAT(warnings.all,
              ElementsAre(AllOf(HasSubstr("rename failed"), HasSubstr("step_00000001"))));
}

/// Removes nothing from a step's directory, wherever that is: it is write-protected.
class ProtectedStep final : public PassingStorage {
 public:
  explicit ProtectedStep(std::string step) : step_(std::move(step)) {}
  void remove(const Path& path) override {
    if (path.parent_path().filename().string().find(step_) != std::string::npos) {
      throw StorageError("unlink failed for '" + path.string() + "'", EACCES);
    }
    inner().remove(path);
  }

 private:
  std::string step_;
};

TEST_P(ManagerPrune, AStepThatIsWriteProtectedStaysAndIsInTheWayOfNoOther) {
  CheckpointManager all(options(0));
  for (std::int64_t step = 1; step <= 3; ++step) save(all, step);
  ProtectedStep storage("step_00000001");
  TestingCheckpointManager manager(options(1), storage);
  for (std::int64_t step = 4; step <= 5; ++step) {
    const CapturedWarnings warnings;
    save(manager, step);
    EXPECT_THAT(files(), ElementsAre("step_00000001", "step_0000000" + std::to_string(step)));
    EXPECT_TRUE(checkpoint::is_sound(manager.path(1), storage::posix()));
    EXPECT_THAT(warnings.all,
                ElementsAre(AllOf(HasSubstr("unlink failed"), HasSubstr("step_00000001"))));
  }
  const CapturedWarnings warnings;
  CheckpointManager next(options(1));
  save(next, 6);
  EXPECT_THAT(files(), ElementsAre("step_00000006"));
  EXPECT_THAT(warnings.all, IsEmpty());
}

// As an end in the middle of such a removal leaves it.
TEST_P(ManagerPrune, WhatIsLeftOfAnOverlaysStepIsNoStepAndInNobodysWay) {
  save_all({1, 2});
  FixedNames storage({{"step_00000001", EXDEV}});
  storage.stuck = "step_00000001";
  TestingCheckpointManager manager(options(2), storage);
  const CapturedWarnings warnings;
  save(manager, 3);
  EXPECT_THAT(files(), ElementsAre("step_00000001", "step_00000002", "step_00000003"));
  EXPECT_THAT(manager.steps(), ElementsAre(2, 3));
  EXPECT_EQ(manager.restore_latest(*model_), 3);
  storage.stuck.clear();
  save(manager, 4);
  save(manager, 1);
  EXPECT_THAT(manager.steps(), ElementsAre(1, 3, 4));
  EXPECT_TRUE(checkpoint::is_sound(manager.path(1), storage::posix()));
  EXPECT_THAT(warnings.all, ElementsAre(HasSubstr("newer steps than 1")));
}

TEST_P(ManagerPrune, ALimitThatWasLoweredMakesRoomFirst) {
  save_all({1, 2, 3, 4, 5});
  FullOfSteps storage(directory_ / "run", 2);
  TestingCheckpointManager manager(options(2), storage);
  const CapturedWarnings warnings;
  save(manager, 6);
  EXPECT_THAT(files(), ElementsAre("step_00000005", "step_00000006"));
  EXPECT_EQ(manager.restore_latest(*model_), 6);
  EXPECT_TRUE(holds(6));
  EXPECT_THAT(warnings.all, IsEmpty());
}

TEST_P(ManagerPrune, MakingRoomLeavesTheNewestThatVerifiesAndTheOneBefore) {
  save_all({1, 2, 3, 4});
  CheckpointManager manager(options(1));
  damage(manager, 4);
  flip(manager, 3);
  fails_to_save(1, 5);
  EXPECT_THAT(manager.steps(), ElementsAre(2, 4));
  const CapturedWarnings warnings;
  EXPECT_EQ(manager.restore_latest(*model_), 2);
  EXPECT_TRUE(holds(2));
  EXPECT_THAT(warnings.all, ElementsAre(HasSubstr("step 4 was skipped")));
}

// Of a run that went back, that one is what it has done since.
TEST_P(ManagerPrune, MakingRoomLeavesTheStepBeforeTheOneToCome) {
  save_all({5, 10, 20, 30});
  fails_to_save(2, 6);
  EXPECT_THAT(files(), ElementsAre("step_00000005", "step_00000020", "step_00000030"));
  fails_to_save(1, 20);
  EXPECT_THAT(files(), ElementsAre("step_00000005", "step_00000020", "step_00000030"));
  fails_to_save(0, 40);
  EXPECT_THAT(files(), ElementsAre("step_00000005", "step_00000020", "step_00000030"));
}

TEST_P(ManagerPrune, WhatStandsInTheWayOfMakingRoomIsToldWithTheFailure) {
  save_all({1, 2, 3});
  FixedNames fixed({{"step_00000001", EACCES}});
  struct NoRoom final : PassingStorage {
    using PassingStorage::PassingStorage;
    std::unique_ptr<storage::WritableFile> create(const Path& path) override {
      throw StorageError("open failed for " + path.string(), ENOSPC);
    }
  } storage(fixed);
  TestingCheckpointManager manager(options(1), storage);
  const CapturedWarnings warnings;
  EXPECT_THROW(save(manager, 4), StorageError);
  EXPECT_THAT(files(), ElementsAre("step_00000001", "step_00000003"));
  EXPECT_THAT(warnings.all,
              ElementsAre(AllOf(HasSubstr("rename failed"), HasSubstr("step_00000001"))));
}

INSTANTIATE_TEST_SUITE_P(Kinds, ManagerPrune, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "Sharded" : "Single"; });

}  // namespace
}  // namespace lamina
