// The power is cut, or the process killed, between any two operations of a save, of a recovery, and
// of the undoing of a save that failed. No file is real: tests/fakes/crash_disk.h says what a power
// cut may do.
#include <gmock/gmock.h>

#include <iostream>

#include "checkpoint/index/index.h"
#include "tests/checkpoint/crash_scene.h"
#include "tests/fakes/captured_warnings.h"
#include "tests/fakes/faulty_storage.h"
#include "tests/fresh_seed.h"

namespace lamina::checkpoint {
namespace {

using lamina::testing::CapturedWarnings;
using lamina::testing::CrashDisk;
using lamina::testing::CrashScene;
using lamina::testing::CrashStorage;
using lamina::testing::FaultyStorage;
using lamina::testing::FileBytes;
using lamina::testing::one_power_cut;
using lamina::testing::Operation;
using lamina::testing::power_cuts;
using lamina::testing::replayed;
using ::testing::AnyOf;

// The longest that there can be: hidden names beside them have no room for them.
const std::string kLongFile = std::string(244, 'n') + ".weights.h5",
                  kLongIndex = std::string(238, 'n') + ".weights.json";

constexpr int kNothing = -1, kOld = 0, kNew = 1;

struct Way {
  const char* name;
  const char* path;
  bool replaces;
  std::optional<double> first, second;  // bytes a shard
};

void PrintTo(const Way& way, std::ostream* out) {
  *out << way.name;
}

class Crash : public ::testing::TestWithParam<Way> {
 protected:
  Crash() {
    RecordProperty("seed", static_cast<int>(seed_));
    std::cout << "seed " << seed_ << "\n";
    CrashStorage storage;
    if (GetParam().replaces) scene_.save(kOld, GetParam().first, storage);
    before_ = storage.disk();
  }

  [[nodiscard]] int old() const { return GetParam().replaces ? kOld : kNothing; }
  void save_new(storage::Storage& storage) { scene_.save(kNew, GetParam().second, storage); }

  /// What a load finds there; after it and a recovery of the directory nothing hidden remains, the
  /// checkpoint is the same, and can be saved over.
  int checked(const CrashDisk& disk) {
    CrashStorage storage(disk);
    const int found = scene_.load(storage);
    const Recovery done = recover_directory("d", storage);
    EXPECT_TRUE(done.problems.empty() && done.in_use.empty());
    EXPECT_EQ(scene_.load(storage), found);
    expect_only_its_files(storage);
    if (random_() % 16 == 0) {
      scene_.save(2, GetParam().first, storage);
      EXPECT_EQ(scene_.load(storage), 2);
      for (const std::string& name : storage.list("d")) EXPECT_FALSE(name.starts_with('.'));
    }
    return found;
  }

  /// Nothing hidden, and no shard that the index does not list.
  void expect_only_its_files(CrashStorage& storage) {
    std::set<std::string> expected;
    if (storage.exists(scene_.path())) expected.insert(GetParam().path);
    if (GetParam().second && !expected.empty()) {
      for (const auto& entry : parse_index(read_index(scene_.path(), storage), "").entries) {
        expected.insert(entry.files.begin(), entry.files.end());
      }
    }
    EXPECT_THAT(storage.list("d"), ::testing::ElementsAreArray(expected));
  }

  const unsigned seed_ = lamina::test::fresh_seed();
  std::mt19937 random_{seed_};
  CrashScene scene_{random_, std::string("d/") + GetParam().path, 3};
  CrashDisk before_;
};

TEST_P(Crash, AtAnyOperationOfASaveLeavesTheOldOrTheNewCheckpoint) {
  CrashStorage storage(before_);
  save_new(storage);
  std::size_t states = 0, olds = 0;
  CrashDisk disk = before_;
  for (std::size_t k = 0; k <= storage.log().size(); ++k) {
    SCOPED_TRACE(k);
    if (k > 0) disk.apply(storage.log()[k - 1]);
    std::vector<CrashDisk> after = power_cuts(disk, 6, random_);
    after.push_back(disk);  // killed: nothing is lost, nothing is synced
    for (const CrashDisk& state : after) {
      const int found = checked(state);
      ASSERT_THAT(found, AnyOf(old(), kNew));
      if (k == storage.log().size()) {
        ASSERT_EQ(found, kNew);
      }
      ++states;
      olds += found != kNew;
    }
  }
  std::cout << storage.log().size() << " operations, " << states << " states, " << olds
            << " of them old\n";
  EXPECT_GT(olds, 20u);
  EXPECT_LT(olds, states);
}

/// The files that are not hidden, on a disk of their own: what Keras finds.
CrashDisk visible(const CrashDisk& disk) {
  CrashStorage all(disk), out;
  for (const std::string& name : all.list("d")) {
    if (name.starts_with('.')) continue;
    const auto from = all.open("d/" + name);
    FileBytes bytes(from->size());
    from->read_at(0, bytes);
    out.create("d/" + name)->write_at(0, bytes);
  }
  return out.disk();
}

// Keras knows no record: to it, the save lasts from the first rename into place to the last one.
TEST_P(Crash, WithinASaveTheFilesInSightAreACheckpointButBetweenTheRenames) {
  CrashStorage storage(before_);
  save_new(storage);
  const std::vector<Operation>& log = storage.log();
  const auto puts_in_place = [](const Operation& op) {
    return op.kind == Operation::Kind::kRename && !op.to.starts_with('.');
  };
  const auto first = std::find_if(log.begin(), log.end(), puts_in_place) - log.begin();
  const auto last = log.rend() - std::find_if(log.rbegin(), log.rend(), puts_in_place);
  EXPECT_EQ(log[static_cast<std::size_t>(last) - 1].to, GetParam().path);
  for (auto op = first; op < last; ++op) {
    EXPECT_TRUE(puts_in_place(log[static_cast<std::size_t>(op)])) << op;
  }
  CrashDisk disk = before_;
  for (std::ptrdiff_t k = 0;; ++k) {
    SCOPED_TRACE(k);
    CrashStorage seen(visible(disk));
    if (k <= first) {
      EXPECT_EQ(scene_.load(seen), old());
    } else if (k >= last) {
      EXPECT_EQ(scene_.load(seen), kNew);
    } else if (!GetParam().replaces) {
      EXPECT_EQ(scene_.load(seen), kNothing);  // the index comes last
    }
    if (k == std::ssize(log)) break;
    disk.apply(log[static_cast<std::size_t>(k)]);
  }
}

// The recovery of a killed save, which nothing has synced, and that of one that lost its power.
TEST_P(Crash, AtAnyOperationOfARecoveryLeavesTheOldOrTheNewCheckpoint) {
  CrashStorage storage(before_);
  save_new(storage);
  for (std::size_t k = 0; k <= storage.log().size(); ++k) {
    SCOPED_TRACE(k);
    const CrashDisk killed = replayed(before_, storage.log(), k);
    for (const CrashDisk& start : {killed, one_power_cut(killed, random_)}) {
      CrashStorage recovering(start);
      const int found = scene_.load(recovering);
      ASSERT_THAT(found, AnyOf(old(), kNew));
      CrashDisk disk = start;
      for (std::size_t j = 0; j <= recovering.log().size(); ++j) {
        if (j > 0) disk.apply(recovering.log()[j - 1]);
        for (int sample = 0; sample < 2; ++sample) {
          ASSERT_THAT(checked(one_power_cut(disk, random_)), AnyOf(old(), kNew));
        }
        ASSERT_EQ(checked(disk), found);
      }
    }
  }
}

// A save that fails and undoes what it did, and dies while doing so.
TEST_P(Crash, WhileAFailedSaveIsUndoneLeavesTheOldOrTheNewCheckpoint) {
  for (std::size_t n = 0;; ++n) {
    SCOPED_TRACE(n);
    CrashStorage storage(before_);
    FaultyStorage faulty(storage);
    faulty.fail_at(n);
    const CapturedWarnings warnings;
    bool thrown = false;
    try {
      save_new(faulty);
    } catch (const StorageError&) {
      thrown = true;
    }
    const std::size_t count = storage.log().size();
    for (int sample = 0; sample < 8; ++sample) {
      // Most of them near the end, where the undoing is.
      const std::size_t back = random_() % (sample < 3 ? count + 1 : std::min(count + 1, 25ul));
      const CrashDisk disk = replayed(before_, storage.log(), count - back);
      ASSERT_THAT(checked(disk), AnyOf(old(), kNew));
      ASSERT_THAT(checked(one_power_cut(disk, random_)), AnyOf(old(), kNew));
    }
    ASSERT_EQ(checked(storage.disk()), thrown ? old() : kNew);
    ASSERT_EQ(checked(one_power_cut(storage.disk(), random_)), thrown ? old() : kNew);
    if (faulty.faults() > 0) continue;
    EXPECT_GT(n, 4U);
    break;
  }
}

// Long lives: saves, loads and recoveries, one after the other, most of which die at some moment.
TEST_P(Crash, AfterCrashLosesNothingThatWasReturned) {
  CrashDisk disk = before_;
  std::vector<int> possible{old()};
  for (int life = 0; life < 250; ++life) {
    SCOPED_TRACE(life);
    CrashStorage storage(disk);
    const unsigned deed = random_() % 4;
    const int set = static_cast<int>(random_() % 3);
    int found = set;
    if (deed < 2) {
      scene_.save(static_cast<std::size_t>(set), deed == 0 ? GetParam().first : GetParam().second,
                  storage);
    } else if (deed == 2) {
      found = scene_.load(storage);
      ASSERT_THAT(possible, ::testing::Contains(found));
    } else {
      (void)recover_directory("d", storage);
      CrashStorage copy(storage.disk());
      found = scene_.load(copy);
      ASSERT_THAT(possible, ::testing::Contains(found));
    }
    const std::size_t end =
        random_() % 8 == 0 ? storage.log().size() : random_() % (storage.log().size() + 1);
    // A load makes nothing durable that a killed save of a single file had just renamed.
    const bool settles = deed < 2 || GetParam().second;
    if (end == storage.log().size() && settles) {
      possible = {found};
    } else {
      possible.push_back(found);
    }
    const CrashDisk then = replayed(disk, storage.log(), end);
    disk = random_() % 2 == 0 ? then : one_power_cut(then, random_);
    ASSERT_THAT(possible, ::testing::Contains(checked(disk)));
  }
}

// Who made the directory has not synced its parents.
TEST_P(Crash, AfterASaveIntoADirectoryThatIsNewLeavesTheCheckpoint) {
  const CrashScene scene(random_, std::string("d/new/inner/") + GetParam().path, 1);
  CrashStorage storage;
  for (const char* made : {"d/new", "d/new/inner"}) storage.create_directory(made);
  scene.save(0, GetParam().first, storage);
  for (const CrashDisk& disk : power_cuts(storage.disk(), 6, random_)) {
    CrashStorage after(disk);
    EXPECT_EQ(scene.load(after), 0);
  }
}

INSTANTIATE_TEST_SUITE_P(Ways, Crash,
                         ::testing::Values(Way{"first_file", "m.weights.h5", false, {}, {}},
                                           Way{"file", "m.weights.h5", true, {}, {}},
                                           Way{"archive", "m.keras", true, {}, {}},
                                           Way{"first_shards", "m.weights.json", false, 1300, 610},
                                           Way{"fewer_shards", "m.weights.json", true, 610, 1300},
                                           Way{"more_shards", "m.weights.json", true, 1300, 610},
                                           Way{"long_name", kLongFile.c_str(), true, {}, {}},
                                           Way{"long_names", kLongIndex.c_str(), true, 1300, 610}),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace lamina::checkpoint
