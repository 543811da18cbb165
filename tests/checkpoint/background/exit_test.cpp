// The end of a process whose saves in the background wait for a lock that another holds.
#include <gmock/gmock.h>
#include <lamina/error.h>
#include <lamina/save_handle.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>

#include "checkpoint/background/save_queue.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/commit/hidden_names.h"
#include "checkpoint/commit/recovery_record.h"
#include "checkpoint/save/save_job.h"
#include "tests/checkpoint/trees.h"
#include "tests/fakes/captured_warnings.h"
#include "tests/fakes/faulty_storage.h"
#include "tests/fakes/gated_storage.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/fresh_seed.h"

namespace lamina::checkpoint {
namespace {

using namespace std::chrono_literals;
using lamina::testing::CapturedWarnings;
using lamina::testing::FaultyStorage;
using lamina::testing::GatedStorage;
using lamina::testing::memory_directory;
using lamina::testing::poisoned_copy;
using lamina::testing::random_tensor;
using lamina::testing::same_values;
using lamina::testing::snapshot;
using lamina::testing::TemporaryDirectory;
using lamina::testing::TreeBuilder;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Clock = std::chrono::steady_clock;

class AtExit : public ::testing::Test {
 protected:
  AtExit() {
    builder_.layer("layers/x", "x",
                   {random_tensor(random_, {64, 3}, DType::kFloat32),
                    random_tensor(random_, {7}, DType::kFloat16)});
    save(builder_.tree, directory_ / kName, {});
    old_ = snapshot(builder_.tree);
    for (auto& v : builder_.tree.nodes[1].variables) {
      v.variable->assign(random_tensor(random_, v.variable->shape(), v.variable->dtype()));
    }
  }

  [[nodiscard]] std::string path() const { return (directory_ / kName).string(); }
  [[nodiscard]] std::string lock_path() const { return CheckpointPlace(path()).lock().string(); }
  std::shared_ptr<SaveState> submit(SaveQueue& queue, const std::filesystem::path& file,
                                    storage::Storage& storage = storage::posix()) {
    const auto job = std::make_shared<SaveJob>(
        begin_save(TreePtr(TreePtr(), &builder_.tree), file, {}, storage).value());
    const auto state = std::make_shared<SaveState>(file);
    queue.submit(save_key(file, false), state,
                 [job, &storage](SaveState& s) { run_save(*job, storage, s); });
    return state;
  }
  bool holds(const std::string& name, const std::vector<Tensor>& expected) {
    const auto copy = poisoned_copy(builder_.tree);
    load(copy, directory_ / name, {});
    return same_values(snapshot(copy), expected);
  }
  bool holds_new(const std::string& name) { return holds(name, snapshot(builder_.tree)); }
  std::vector<std::string> files() { return storage::posix().list(directory_.path()); }
  void expect_given_up(SaveState& state) {
    try {
      state.wait();
      state.throw_failure();
      ADD_FAILURE() << "was saved";
    } catch (const StorageError& error) {
      EXPECT_EQ(error.code(), ETIMEDOUT);
      EXPECT_THAT(error.what(), AllOf(HasSubstr("'" + path() + "'"),
                                      HasSubstr("'" + lock_path() + "'"), HasSubstr("given up")));
    }
  }

  static constexpr const char* kName = "m.weights.h5";
  const unsigned seed_ = lamina::test::fresh_seed();
  ::testing::ScopedTrace trace_{__FILE__, __LINE__, "seed " + std::to_string(seed_)};
  std::mt19937 random_{seed_};
  TemporaryDirectory directory_{memory_directory()};
  TreeBuilder builder_;
  std::vector<Tensor> old_;
};

TEST_F(AtExit, ASaveWhoseLockAnotherKeepsIsGivenUpAndTheRestIsSaved) {
  auto lock = storage::posix().try_lock(lock_path());
  ASSERT_TRUE(lock);
  CapturedWarnings warnings;
  SaveQueue queue(1);
  const auto first = submit(queue, directory_ / kName), second = submit(queue, directory_ / kName);
  const auto other = submit(queue, directory_ / "n.weights.h5");
  const auto begin = Clock::now();
  queue.end(80ms);
  EXPECT_GE(Clock::now() - begin, 80ms);
  EXPECT_LT(Clock::now() - begin, 30s);
  // The second tries once: it has had its time while the first one waited.
  const auto failed = AllOf(HasSubstr("Saving '" + path() + "' failed"), HasSubstr(lock_path()));
  EXPECT_THAT(warnings.all,
              ElementsAre(AllOf(HasSubstr("process is to end"), HasSubstr("'" + path() + "'"),
                                HasSubstr("'" + lock_path() + "'")),
                          failed, failed));
  expect_given_up(*first);
  expect_given_up(*second);
  other->throw_failure();
  EXPECT_TRUE(holds_new("n.weights.h5"));
  lock.reset();
  EXPECT_TRUE(holds(kName, old_));
  EXPECT_THAT(files(), ElementsAre(kName, "n.weights.h5"));
}

// Of the index that may have its file for a shard.
TEST_F(AtExit, ASaveThatWaitsForAnIndexIsGivenUpAsWell) {
  const CheckpointPlace index(directory_ / "m.weights.json");
  std::ofstream(index.record()) << record_text(
      {make_save_name(), HiddenCopy::kNew, {index.name}, {}}, index.name);
  const auto lock = storage::posix().try_lock(index.lock());
  ASSERT_TRUE(lock);
  CapturedWarnings warnings;
  SaveQueue queue(1);
  const auto state = submit(queue, directory_ / "m_00000.weights.h5");
  queue.end(80ms);
  const std::string said = "'" + index.lock().string() + "'";
  EXPECT_THAT(warnings.all, ElementsAre(AllOf(HasSubstr("process is to end"), HasSubstr(said)),
                                        AllOf(HasSubstr("failed"), HasSubstr(said))));
  try {
    state->throw_failure();
    ADD_FAILURE() << "was saved";
  } catch (const StorageError& error) {
    EXPECT_EQ(error.code(), ETIMEDOUT);
  }
  EXPECT_FALSE(std::filesystem::exists(directory_ / "m_00000.weights.h5"));
}

TEST_F(AtExit, ASaveWhoseLockIsFreeInTimeIsSaved) {
  auto lock = storage::posix().try_lock(lock_path());
  SaveQueue queue(1);
  const auto state = submit(queue, directory_ / kName);
  const CapturedWarnings warnings;
  auto ending = std::async(std::launch::async, [&] { queue.end(60s); });
  EXPECT_EQ(ending.wait_for(60ms), std::future_status::timeout);
  const auto begin = Clock::now();
  lock.reset();
  ending.get();
  EXPECT_LT(Clock::now() - begin, 50s);
  state->throw_failure();
  EXPECT_TRUE(holds_new(kName));
}

TEST_F(AtExit, ASaveThatHasItsLockIsFinishedHoweverLongThatTakes) {
  GatedStorage gate;
  gate.close_gate();
  SaveQueue queue(1);
  const auto state = submit(queue, directory_ / kName, gate);
  gate.wait_for_writer();
  const CapturedWarnings warnings;
  auto ending = std::async(std::launch::async, [&] { queue.end(0ms); });
  EXPECT_EQ(ending.wait_for(60ms), std::future_status::timeout);
  gate.open_gate();
  ending.get();
  state->throw_failure();
  EXPECT_TRUE(holds_new(kName));
  EXPECT_THAT(warnings.all, IsEmpty());
}

TEST_F(AtExit, WhatIsSavedLaterTriesItsLockOnce) {
  SaveQueue queue(1);
  queue.end(0ms);
  auto lock = storage::posix().try_lock(lock_path());
  const CapturedWarnings warnings;
  const auto state = submit(queue, directory_ / kName);
  EXPECT_TRUE(state->done());
  expect_given_up(*state);
  lock.reset();
  submit(queue, directory_ / kName)->throw_failure();
  EXPECT_TRUE(holds_new(kName));
}

// Whoever holds the handle may never come to ask, and never be destroyed.
TEST_F(AtExit, AFailureIsWarnedOfThoughItsHandleLives) {
  CapturedWarnings warnings;
  FaultyStorage faulty;
  faulty.fail_at(5, true);
  SaveQueue queue(1);
  const auto heard = submit(queue, directory_ / "heard.weights.h5", faulty);
  heard->wait();
  EXPECT_THROW(heard->throw_failure(), StorageError);
  warnings.all.clear();  // of cleaning up
  faulty.fail_at(5);
  auto unheard = submit(queue, directory_ / kName, faulty);
  unheard->wait();
  queue.end(1s);
  const auto told = AllOf(HasSubstr("Saving '" + path() + "' failed"), HasSubstr("injected fault"));
  EXPECT_THAT(warnings.all, ElementsAre(told));
  unheard = nullptr;
  EXPECT_THAT(warnings.all, ElementsAre(told));
}

using AtExitDeathTest = AtExit;

TEST_F(AtExitDeathTest, AProcessGivesUpWaitingForALockOfAnotherAndEnds) {
  const std::string style = ::testing::FLAGS_gtest_death_test_style;
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";  // a process of its own
  const char* given = std::getenv("LAMINA_TEST_FOLDER");   // the same in both processes
  const std::filesystem::path folder = given != nullptr ? given : directory_.path();
  ::setenv("LAMINA_TEST_FOLDER", folder.c_str(), 1);
  const std::filesystem::path file = folder / kName, other = folder / "n.weights.h5";
  auto lock =
      storage::posix().try_lock(CheckpointPlace(file).lock());  // which the other does not get
  const auto leave = [&] {
    if (lock) std::exit(1);
    ::alarm(60);  // ends a process that would wait for ever
    set_patience_at_exit(300ms);
    // Never destroyed, as what a program that calls exit leaves on its stack.
    static auto* volatile kept = new std::shared_ptr<SaveState>(submit(save_queue(), file));
    (void)kept;
    (void)submit(save_queue(), other);
    std::exit(0);
  };
  EXPECT_EXIT(leave(), ::testing::ExitedWithCode(0),
              AllOf(HasSubstr("the save of '" + file.string() + "' waits for its lock '" +
                              CheckpointPlace(file).lock().string()),
                    HasSubstr("Saving '" + file.string() + "' failed")));
  ::unsetenv("LAMINA_TEST_FOLDER");
  ::testing::FLAGS_gtest_death_test_style = style;
  lock.reset();
  EXPECT_TRUE(holds(kName, old_));
  EXPECT_THAT(files(), ElementsAre(kName, "n.weights.h5"));
}

// As a progress callback does that calls exit.
TEST_F(AtExitDeathTest, ASaveThatEndsTheProcessTakesThoseBehindItAlongAndNoOthers) {
  const std::string style = ::testing::FLAGS_gtest_death_test_style;
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  const auto leave = [this] {
    ::alarm(20);                                     // ends a process that would wait for ever
    std::filesystem::remove_all(directory_.path());  // nothing does so later
    std::promise<void> all_there;
    const auto ending = std::make_shared<SaveState>("ending"),
               other = std::make_shared<SaveState>("other"),
               behind = std::make_shared<SaveState>("behind");
    const auto tell = [](SaveState&) { std::fprintf(stderr, "was run\n"); };
    save_queue().submit("a", ending, [&](SaveState&) {
      all_there.get_future().wait();
      other->wait();
      std::exit(0);
    });
    save_queue().submit("b", other, tell);  // on another thread
    save_queue().submit("a", behind, tell);
    all_there.set_value();
    for (;;) ::pause();
  };
  EXPECT_EXIT(leave(), ::testing::ExitedWithCode(0),
              AllOf(::testing::StartsWith("was run\n"),
                    HasSubstr("Saving 'behind' failed, and nothing waited for it: The process is "
                              "ended by a save")));
  ::testing::FLAGS_gtest_death_test_style = style;
}

}  // namespace
}  // namespace lamina::checkpoint
