// The power is cut, or the process killed, between any two operations of a manager: while it saves
// a step, replaces one, removes old ones, undoes what failed, and cleans up after such an end.
#include <gmock/gmock.h>

#include <iostream>

#include "checkpoint/verify/soundness.h"
#include "tests/checkpoint/crash_scene.h"
#include "tests/fakes/captured_warnings.h"
#include "tests/fakes/crash_storage.h"
#include "tests/fakes/faulty_storage.h"
#include "tests/models/helpers.h"
#include "tests/models/weights/testing_checkpoint_manager.h"

namespace lamina {
namespace {

using lamina::testing::CapturedWarnings;
using lamina::testing::CrashDisk;
using lamina::testing::CrashStorage;
using lamina::testing::FaultyStorage;
using lamina::testing::one_power_cut;
using lamina::testing::Operation;
using lamina::testing::replayed;
using lamina::testing::Unsynced;
using ::testing::AnyOf;
using ::testing::Contains;
using ::testing::IsEmpty;
using ::testing::SizeIs;

/// A step, and what its weights say when they were saved: 0 for no checkpoint.
using Found = std::pair<std::int64_t, float>;

class ManagerCrash : public ::testing::TestWithParam<bool> {
 protected:
  ManagerCrash() {
    std::cout << "seed " << seed_ << "\n";
    CrashStorage storage;
    TestingCheckpointManager manager(options(), storage);
    save(manager, 1, 1);
    save(manager, 2, 2);
    before_ = storage.disk();
  }

  static CheckpointManagerOptions options(std::size_t max_to_keep = 2) {
    CheckpointManagerOptions out;
    out.directory = "d/run";
    out.max_to_keep = max_to_keep;
    if (GetParam()) {
      out.file_name = "model.weights.json";
      out.save.save.max_shard_size = 70.0 / (1U << 30);
    }
    return out;
  }
  void set(float value) {
    for (const VariablePtr& v : model_->variables()) {
      v->assign(Tensor::from(std::vector<float>(static_cast<std::size_t>(v->shape().size()), value),
                             v->shape()));
    }
  }
  void save(CheckpointManager& manager, std::int64_t step, float value) {
    set(value);
    manager.save(step, *model_);
  }

  /// What the next process restores. It finds nothing damaged, and nothing but checkpoints stays.
  Found restored(CrashStorage& storage) {
    CapturedWarnings warnings;
    const TestingCheckpointManager manager(options(), storage);
    for (const std::int64_t step : manager.steps()) {
      EXPECT_TRUE(checkpoint::is_sound(manager.path(step), storage)) << step;
    }
    EXPECT_THAT(storage.list("d/run"), SizeIs(manager.steps().size()));
    set(-1);
    const auto step = manager.restore_latest(*model_);
    EXPECT_THAT(warnings.all, IsEmpty());
    const float value = model_->variables().front()->value().data<float>()[0];
    for (const VariablePtr& v : model_->variables()) {
      EXPECT_THAT(v->value().data<float>(), ::testing::Each(value));
    }
    return {step.value_or(0), step ? value : 0};
  }
  Found restored(const CrashDisk& disk) {
    CrashStorage storage(disk);
    const Found found = restored(storage);
    if (random_() % 16 == 0) {
      TestingCheckpointManager manager(options(), storage);
      const Found next(found.first + 1, 9);
      save(manager, next.first, next.second);
      EXPECT_EQ(restored(storage), next);
    }
    return found;
  }

  /// What is done to the disk when a step is saved. One that is there is replaced by one change of
  /// its directory, or without `exchanges` by two.
  std::vector<Operation> operations_of_a_save(std::int64_t step, float value, bool exchanges = true,
                                              std::size_t max_to_keep = 2) {
    CrashStorage storage(before_);
    FaultyStorage limited(storage);
    if (!exchanges) limited.forbid_exchanges();
    TestingCheckpointManager manager(options(max_to_keep), limited);
    save(manager, step, value);
    const std::vector<Operation> log = storage.log();
    EXPECT_EQ(restored(storage), Found(step, value));
    return log;
  }

  /// After any operation of a save: it, or what was there before.
  void cut_anywhere(std::int64_t step, float value, const std::vector<Operation>& log) {
    const Found old(2, 2), next(step, value);
    CrashDisk disk = before_;
    std::size_t olds = 0, states = 0;
    for (std::size_t k = 0; k <= log.size(); ++k) {
      SCOPED_TRACE(k);
      if (k > 0) disk.apply(log[k - 1]);
      std::vector<CrashDisk> after{disk};
      for (int i = 0; i < 20; ++i) after.push_back(one_power_cut(disk, random_));
      for (const CrashDisk& state : after) {
        const Found found = restored(state);
        ASSERT_THAT(found, AnyOf(old, next));
        if (k == log.size()) {
          ASSERT_EQ(found, next);
        }
        ++states;
        olds += found == old;
      }
    }
    std::cout << log.size() << " operations, " << states << " states, " << olds << " of them old\n";
    EXPECT_GT(olds, 50u);
    EXPECT_LT(olds, states);
  }

  /// Of the changes that are not synced the last one alone outlives the power cut.
  CrashDisk cut_but_for_the_last(const CrashDisk& disk) {
    std::vector<bool> kept(disk.loose());
    if (!kept.empty()) kept.back() = true;
    return disk.after_power_cut(kept, Unsynced::kKept, false, random_);
  }

  /// The process that cleans up after such an end, and ends as well.
  void cut_cleaning_anywhere(std::int64_t step, float value, const std::vector<Operation>& log) {
    const Found old(2, 2), next(step, value);
    std::size_t operations = 0;
    for (std::size_t k = 0; k <= log.size(); ++k) {
      SCOPED_TRACE(k);
      const CrashDisk killed = replayed(before_, log, k);
      for (const CrashDisk& start : {killed, one_power_cut(killed, random_)}) {
        CrashStorage cleaning(start);
        (void)TestingCheckpointManager(options(), cleaning);
        operations += cleaning.log().size();
        CrashDisk disk = start;
        for (std::size_t j = 0; j < cleaning.log().size(); ++j) {
          disk.apply(cleaning.log()[j]);
          ASSERT_THAT(restored(one_power_cut(disk, random_)), AnyOf(old, next));
          ASSERT_THAT(restored(cut_but_for_the_last(disk)), AnyOf(old, next));
        }
        ASSERT_THAT(restored(disk), AnyOf(old, next));
      }
    }
    EXPECT_GT(operations, 10U);
  }

  const unsigned seed_ = test::fresh_seed();
  std::mt19937 random_{seed_};
  std::shared_ptr<Sequential> model_ =
      Sequential::create({layers::InputLayer({.shape = Shape{4}}), layers::Dense({.units = 3}),
                          layers::Dense({.units = 2})});
  CrashDisk before_;
};

TEST_P(ManagerCrash, AtAnyOperationOfASaveThatPrunesLeavesWholeCheckpoints) {
  cut_anywhere(3, 3, operations_of_a_save(3, 3));
}

// What a limit that was lowered leaves no room for goes before the new one is written.
TEST_P(ManagerCrash, AtAnyOperationOfASaveWithALowerLimitLeavesWholeCheckpoints) {
  cut_anywhere(3, 3, operations_of_a_save(3, 3, true, 1));
}

TEST_P(ManagerCrash, AtAnyOperationOfASaveThatReplacesAStepLeavesWholeCheckpoints) {
  for (const bool exchanges : {true, false}) {
    cut_anywhere(2, 30, operations_of_a_save(2, 30, exchanges));
  }
}

TEST_P(ManagerCrash, AStepThatIsReplacedIsInSightAllTheTime) {
  CrashDisk disk = before_;
  for (const Operation& operation : operations_of_a_save(2, 30)) {
    disk.apply(operation);
    CrashStorage seen(disk);
    ASSERT_TRUE(checkpoint::is_sound("d/run/step_00000002/" + options().file_name, seen));
  }
}

TEST_P(ManagerCrash, AtAnyOperationOfCleaningUpLeavesWholeCheckpoints) {
  cut_cleaning_anywhere(3, 3, operations_of_a_save(3, 3));
  for (const bool exchanges : {true, false}) {
    cut_cleaning_anywhere(2, 30, operations_of_a_save(2, 30, exchanges));
  }
}

// A save that fails, and undoes what it did, before or while the power goes.
TEST_P(ManagerCrash, WhileAFailedSaveIsUndoneLeavesWholeCheckpoints) {
  std::size_t failed = 0;
  for (std::size_t n = 0, none = 0; none < 3; ++n) {
    SCOPED_TRACE(n);
    const std::int64_t step = n % 3 == 0 ? 3 : 2;
    CrashStorage storage(before_);
    FaultyStorage faulty(storage);
    if (n % 3 == 1) faulty.forbid_exchanges();
    TestingCheckpointManager manager(options(), faulty);
    const CapturedWarnings warnings;
    faulty.fail_at(n / 3);
    bool thrown = false;
    try {
      save(manager, step, 30);
    } catch (const StorageError&) {
      thrown = true;
      ++failed;
    }
    const Found old(2, 2), next(step, 30);
    const std::size_t count = storage.log().size();
    for (int sample = 0; sample < 4; ++sample) {
      const std::size_t back = random_() % (sample == 0 ? count + 1 : std::min(count + 1, 20ul));
      const CrashDisk disk = replayed(before_, storage.log(), count - back);
      ASSERT_THAT(restored(disk), AnyOf(old, next));
      ASSERT_THAT(restored(one_power_cut(disk, random_)), AnyOf(old, next));
    }
    ASSERT_EQ(restored(storage.disk()), thrown ? old : next);
    none = faulty.faults() > 0 ? 0 : none + 1;
  }
  EXPECT_GT(failed, 18U);
}

// Long lives, most of which end at some moment: what was returned is not lost.
TEST_P(ManagerCrash, AfterCrashLosesNothingThatWasReturned) {
  CrashDisk disk = before_;
  std::vector<Found> possible{{2, 2}};
  std::int64_t step = 2;
  for (int life = 1; life <= 150; ++life) {
    SCOPED_TRACE(life);
    CrashStorage storage(disk);
    FaultyStorage limited(storage);
    if (random_() % 2 == 0) limited.forbid_exchanges();
    TestingCheckpointManager manager(options(), limited);
    // The newest there can be, once more, or one after it: an older one is not what is restored.
    step += random_() % 3 != 0;
    const Found next(step, static_cast<float>(10 + life));
    save(manager, next.first, next.second);
    const std::size_t count = storage.log().size();
    const std::size_t end = random_() % 8 == 0 ? count : random_() % (count + 1);
    if (end == count) possible.clear();
    possible.push_back(next);
    const CrashDisk then = replayed(disk, storage.log(), end);
    disk = random_() % 2 == 0 ? then : one_power_cut(then, random_);
    ASSERT_THAT(possible, Contains(restored(disk)));
  }
}

// What a killed process made is there for the next one, which need not be so after a power cut.
TEST_P(ManagerCrash, InDirectoriesThatADeadSaveMadeASaveThatReturnedIsThere) {
  CheckpointManagerOptions nested = options();
  nested.directory = "d/new/run";
  const auto save_in = [&](CrashStorage& storage, std::int64_t step) {
    TestingCheckpointManager manager(nested, storage);
    save(manager, step, 1);
    return manager.path(step);
  };
  CrashStorage first;
  (void)save_in(first, 1);
  for (std::size_t k = 0; k <= first.log().size(); ++k) {
    SCOPED_TRACE(k);
    CrashStorage next(replayed({}, first.log(), k));
    const std::filesystem::path saved = save_in(next, 2);
    for (int sample = 0; sample < 10; ++sample) {
      CrashStorage after(one_power_cut(next.disk(), random_));
      ASSERT_TRUE(after.exists(saved) && checkpoint::is_sound(saved, after));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, ManagerCrash, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "Sharded" : "Single"; });

}  // namespace
}  // namespace lamina
