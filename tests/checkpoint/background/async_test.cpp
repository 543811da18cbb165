#include "checkpoint/background/save_queue.h"

#include <gmock/gmock.h>
#include <lamina/error.h>
#include <lamina/save_handle.h>

#include <atomic>
#include <chrono>
#include <future>
#include <thread>

#include "checkpoint/checkpoint.h"
#include "checkpoint/commit/hidden_names.h"
#include "checkpoint/save/save_job.h"
#include "core/variable_access.h"
#include "tests/checkpoint/trees.h"
#include "tests/fakes/captured_warnings.h"
#include "tests/fakes/faulty_storage.h"
#include "tests/fakes/gated_storage.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/fresh_seed.h"

namespace lamina::checkpoint {
namespace {

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
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class AsyncSave : public ::testing::Test {
 protected:
  AsyncSave() {
    for (int i = 0; i < 4; ++i) {
      const std::string name = "x_" + std::to_string(i);
      builder_.layer("layers/" + name, name,
                     {random_tensor(random_, {64, 3}, DType::kFloat32),
                      random_tensor(random_, {7}, DType::kFloat16)});
    }
  }
  ~AsyncSave() override { gate_.open_gate(); }

  std::shared_ptr<SaveState> submit(const std::filesystem::path& path, storage::Storage& storage,
                                    SnapshotPolicy policy = SnapshotPolicy::kNone,
                                    SaveRequest request = {}) {
    const TreePtr tree(TreePtr(), &builder_.tree);
    const bool sharded = request.max_shard_size.has_value();
    const auto job =
        std::make_shared<SaveJob>(begin_save(tree, path, std::move(request), storage).value());
    job->snapshot = policy;
    const auto state = std::make_shared<SaveState>(path);
    queue_.submit(save_key(path, sharded), state,
                  [job, &storage](SaveState& s) { run_save(*job, storage, s); });
    return state;
  }
  void assign_new_values() {
    for (auto& node : builder_.tree.nodes) {
      for (auto& v : node.variables) {
        v.variable->assign(random_tensor(random_, v.variable->shape(), v.variable->dtype()));
      }
    }
  }
  /// Writes into the tensors' own memory, as an update in place does.
  void overwrite_in_place() {
    for (auto& node : builder_.tree.nodes) {
      for (auto& v : node.variables) {
        Tensor shared = v.variable->value();
        for (std::byte& b : shared.bytes()) b = static_cast<std::byte>(random_());
      }
    }
  }
  std::vector<Tensor> stored(const std::filesystem::path& path) {
    const auto copy = poisoned_copy(builder_.tree);
    load(copy, path, {});
    return snapshot(copy);
  }
  std::vector<std::string> files() { return storage::posix().list(directory_.path()); }

  const unsigned seed_ = lamina::test::fresh_seed();
  ::testing::ScopedTrace trace_{__FILE__, __LINE__, "seed " + std::to_string(seed_)};
  std::mt19937 random_{seed_};
  TemporaryDirectory directory_{memory_directory()};
  TreeBuilder builder_;
  GatedStorage gate_;
  SaveQueue queue_{2};  // last: empties itself while the rest is there
};

TEST_F(AsyncSave, HoldsTheValuesOfTheCall) {
  const auto expected = snapshot(builder_.tree);
  gate_.close_gate();
  SaveHandle handle = SaveState::handle(submit(directory_ / "m.weights.h5", gate_));
  gate_.wait_for_writer();
  EXPECT_FALSE(handle.done());
  EXPECT_THAT(files(), Not(::testing::Contains("m.weights.h5")));
  assign_new_values();
  gate_.open_gate();
  handle.wait();
  EXPECT_TRUE(handle.done());
  EXPECT_TRUE(same_values(stored(directory_ / "m.weights.h5"), expected));
  EXPECT_FALSE(same_values(snapshot(builder_.tree), expected));
}

TEST_F(AsyncSave, ACopyInHostMemoryLiftsTheFenceBeforeAnythingIsWritten) {
  for (const SnapshotPolicy policy : {SnapshotPolicy::kHost, SnapshotPolicy::kDevice}) {
    const auto expected = snapshot(builder_.tree);
    gate_.close_gate();
    SaveHandle handle = SaveState::handle(submit(directory_ / "m.weights.h5", gate_, policy));
    handle.wait_until_copied();
    EXPECT_FALSE(handle.done());
    overwrite_in_place();
    gate_.open_gate();
    handle.wait();
    EXPECT_TRUE(same_values(stored(directory_ / "m.weights.h5"), expected));
  }
}

TEST_F(AsyncSave, WithoutACopyTheFenceLastsUntilAllIsWritten) {
  for (const SnapshotPolicy policy : {SnapshotPolicy::kNone, SnapshotPolicy::kAutomatic}) {
    const auto expected = snapshot(builder_.tree);
    gate_.close_gate();
    SaveHandle handle = SaveState::handle(submit(directory_ / "m.weights.h5", gate_, policy));
    gate_.wait_for_writer();
    std::atomic<bool> lifted = false;
    std::thread fence([&] {
      handle.wait_until_copied();
      lifted = true;
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    EXPECT_FALSE(lifted);
    gate_.open_gate();
    fence.join();
    overwrite_in_place();
    handle.wait();
    EXPECT_TRUE(same_values(stored(directory_ / "m.weights.h5"), expected));
  }
}

TEST_F(AsyncSave, SavesToOnePathKeepTheirOrder) {
  gate_.close_gate();
  const auto first = submit(directory_ / "m.weights.h5", gate_);
  gate_.wait_for_writer();
  assign_new_values();
  // The same file by another name.
  std::filesystem::create_directory_symlink(directory_.path(), directory_ / "link");
  const auto second = submit(directory_ / "link" / "m.weights.h5", gate_);
  assign_new_values();
  const auto third = submit(directory_ / "m.weights.h5", gate_);
  const auto expected = snapshot(builder_.tree);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_FALSE(first->done() || second->done() || third->done());
  EXPECT_EQ(second->progress().bytes_total, 0U);  // has not begun
  gate_.open_gate();
  third->wait();
  EXPECT_TRUE(first->done() && second->done());
  EXPECT_TRUE(same_values(stored(directory_ / "m.weights.h5"), expected));
}

TEST_F(AsyncSave, SavesToOtherPathsOverlap) {
  gate_.close_gate();
  const auto first = submit(directory_ / "a.weights.h5", gate_);
  gate_.wait_for_writer();
  const auto second = submit(directory_ / "b.weights.h5", storage::posix());
  second->wait();
  EXPECT_FALSE(first->done());
  gate_.open_gate();
  first->wait();
  EXPECT_TRUE(
      same_values(stored(directory_ / "a.weights.h5"), stored(directory_ / "b.weights.h5")));
}

TEST_F(AsyncSave, BeginsWhenThoseThatItFollowsAreOver) {
  gate_.close_gate();
  const auto first = submit(directory_ / "a.weights.h5", gate_);
  gate_.wait_for_writer();
  std::atomic<bool> first_was_done = false;
  const auto second = std::make_shared<SaveState>(directory_ / "b.weights.h5");
  queue_.submit("b", second, [&](SaveState&) { first_was_done = first->done(); }, {first});
  submit(directory_ / "c.weights.h5", storage::posix())->wait();  // follows none
  EXPECT_FALSE(second->done());
  gate_.open_gate();
  second->wait();
  EXPECT_TRUE(first_was_done);
}

TEST_F(AsyncSave, FailsAsOneThatItFollows) {
  const CapturedWarnings warnings;
  gate_.close_gate();  // so that all are queued before the first one fails
  const auto held = submit(directory_ / "a.weights.h5", gate_);
  std::vector<std::shared_ptr<SaveState>> states;
  for (int i = 0; i < 4; ++i) {
    states.push_back(std::make_shared<SaveState>(directory_ / std::to_string(i)));
  }
  std::atomic<int> begun = 0;
  const auto count = [&](SaveState&) { ++begun; };
  queue_.submit("0", states[0], [](SaveState&) { throw StorageError("no room for 0", ENOSPC); },
                {held});
  queue_.submit("1", states[1], count, {held, states[0]});
  queue_.submit("2", states[2], count, {states[1]});
  queue_.submit("3", states[3], count, {states[0]});
  gate_.open_gate();
  for (const auto& state : states) state->wait();
  EXPECT_EQ(begun, 0);
  // Whoever comes first of those that follow has the failure; it is thrown once.
  int failures = 0, cancelled = 0;
  for (const auto& state : states) {
    try {
      state->throw_failure();
    } catch (const StorageError& error) {
      ++failures;
      EXPECT_STREQ(error.what(), "no room for 0");
    } catch (const CancelledError&) {
      ++cancelled;
    }
  }
  EXPECT_EQ(failures, 1);
  EXPECT_GE(cancelled, 1);
  EXPECT_THAT(warnings.all, IsEmpty());
  // One that is over has failed as well.
  const auto late = std::make_shared<SaveState>(directory_ / "late");
  queue_.submit("late", late, count, {states[0]});
  late->wait();
  EXPECT_THROW(late->throw_failure(), CancelledError);
  EXPECT_EQ(begun, 0);
}

TEST_F(AsyncSave, WaitingForAPathWaitsForItsSavesAlone) {
  gate_.close_gate();
  const auto a = submit(directory_ / "a.weights.h5", gate_);
  gate_.wait_for_writer();
  queue_.wait_for(save_key(directory_ / "b.weights.h5", false));
  EXPECT_FALSE(a->done());
  gate_.open_gate();
  queue_.wait_for(save_key(directory_ / "a.weights.h5", false));
  EXPECT_TRUE(a->done());
}

TEST_F(AsyncSave, WaitingForAllWaitsUntilTheValuesOfACancelledOneAreLetGo) {
  const auto path = directory_ / "m.weights.h5";
  std::atomic<bool> let_go = false;
  std::shared_ptr<void> value(nullptr, [&](void*) {
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    let_go = true;
  });
  gate_.close_gate();
  const auto first = submit(path, gate_);
  gate_.wait_for_writer();
  const auto second = std::make_shared<SaveState>(path);
  queue_.submit(save_key(path, false), second, [held = std::move(value)](SaveState&) {});
  second->cancel();
  EXPECT_TRUE(second->done());
  gate_.open_gate();
  EXPECT_TRUE(queue_.wait_for_all());
  EXPECT_TRUE(let_go);
  EXPECT_FALSE(queue_.wait_for_all());
}

TEST_F(AsyncSave, ReportsProgressOfBytesAndShards) {
  SaveRequest request;
  request.max_shard_size = 900.0 / (1U << 30);
  std::uint64_t last = 0, announced = 0;
  request.progress = [&](std::uint64_t done, std::uint64_t total) {
    last = done, announced = total;
  };
  gate_.close_gate();
  SaveHandle handle = SaveState::handle(
      submit(directory_ / "m.weights.json", gate_, SnapshotPolicy::kNone, request));
  gate_.wait_for_writer();
  const SaveProgress before = handle.progress();
  EXPECT_GT(before.bytes_total, 0U);
  EXPECT_LT(before.bytes_done, before.bytes_total);
  EXPECT_EQ(before.shards_done, 0U);
  EXPECT_EQ(before.shards_total, 4U);
  gate_.open_gate();
  handle.wait();
  const SaveProgress after = handle.progress();
  EXPECT_EQ(after.bytes_done, after.bytes_total);
  EXPECT_EQ(after.shards_done, 4U);
  EXPECT_EQ(last, after.bytes_total);
  EXPECT_EQ(announced, after.bytes_total);
}

TEST_F(AsyncSave, CancellingLeavesTheOldCheckpointAlone) {
  save(builder_.tree, directory_ / "m.weights.h5", {});
  const auto expected = snapshot(builder_.tree);
  assign_new_values();
  gate_.close_gate();
  SaveHandle handle = SaveState::handle(submit(directory_ / "m.weights.h5", gate_));
  gate_.wait_for_writer();
  handle.cancel();
  gate_.open_gate();
  EXPECT_THROW(handle.wait(), CancelledError);
  EXPECT_THROW(handle.wait(), CancelledError);
  EXPECT_TRUE(handle.done());
  handle.wait_until_copied();
  EXPECT_THAT(files(), ElementsAre("m.weights.h5"));
  EXPECT_TRUE(same_values(stored(directory_ / "m.weights.h5"), expected));
}

TEST_F(AsyncSave, CancellingAQueuedSaveEndsItAtOnce) {
  gate_.close_gate();
  const auto first = submit(directory_ / "m.weights.h5", gate_);
  const auto expected = snapshot(builder_.tree);
  gate_.wait_for_writer();
  assign_new_values();
  SaveHandle second = SaveState::handle(submit(directory_ / "m.weights.h5", gate_));
  second.cancel();
  EXPECT_THROW(second.wait(), CancelledError);
  EXPECT_FALSE(first->done());
  gate_.open_gate();
  first->wait();
  queue_.stop();
  EXPECT_TRUE(same_values(stored(directory_ / "m.weights.h5"), expected));
}

TEST_F(AsyncSave, CancellingASaveThatWaitsForAnotherEndsIt) {
  const auto path = directory_ / "m.weights.h5";
  auto lock = storage::posix().try_lock(CheckpointPlace(path).lock());
  ASSERT_TRUE(lock);
  SaveHandle handle = SaveState::handle(submit(path, storage::posix()));
  while (handle.progress().bytes_total == 0) std::this_thread::yield();  // what comes next waits
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_FALSE(handle.done());
  handle.cancel();
  auto over = std::async(std::launch::async, [&] { handle.wait(); });
  EXPECT_EQ(over.wait_for(std::chrono::seconds(1)), std::future_status::ready);
  lock.reset();
  EXPECT_THROW(over.get(), CancelledError);
  EXPECT_THAT(files(), IsEmpty());
}

TEST_F(AsyncSave, CancellingASaveThatIsOverChangesNothing) {
  SaveHandle handle = SaveState::handle(submit(directory_ / "m.weights.h5", gate_));
  handle.wait();
  handle.cancel();
  handle.wait();
  EXPECT_THAT(files(), ElementsAre("m.weights.h5"));
}

TEST_F(AsyncSave, AFailureIsThrownOnceAndByWait) {
  CapturedWarnings warnings;
  {
    FaultyStorage faulty;
    faulty.fail_at(5, true);
    SaveHandle handle = SaveState::handle(submit(directory_ / "m.weights.h5", faulty));
    try {
      handle.wait();
      FAIL();
    } catch (const StorageError& error) {
      EXPECT_THAT(error.what(), HasSubstr("injected fault"));
      EXPECT_THAT(error.what(), HasSubstr(directory_.path().string()));
    }
    handle.wait();
    queue_.stop();
  }
  for (const std::string& text : warnings.all) EXPECT_THAT(text, Not(HasSubstr("nothing waited")));
}

TEST_F(AsyncSave, AFailureThatNobodyWaitsForIsWarnedOf) {
  CapturedWarnings warnings;
  FaultyStorage faulty;
  faulty.fail_at(5);
  (void)SaveState::handle(submit(directory_ / "m.weights.h5", faulty));
  queue_.stop();
  EXPECT_THAT(warnings.all,
              ElementsAre(AllOf(HasSubstr("m.weights.h5' failed"), HasSubstr("injected fault"))));
}

TEST_F(AsyncSave, ACancelledSaveIsNotWarnedOf) {
  CapturedWarnings warnings;
  gate_.close_gate();
  SaveState::handle(submit(directory_ / "m.weights.h5", gate_)).cancel();
  gate_.open_gate();
  queue_.stop();
  EXPECT_THAT(warnings.all, IsEmpty());
}

TEST_F(AsyncSave, FaultsAtAnyCallLeaveTheOldCheckpoint) {
  const auto path = directory_ / "m.weights.h5";
  std::size_t failed = 0;
  for (std::size_t n = 0;; ++n) {
    SCOPED_TRACE(n);
    save(builder_.tree, path, {});
    const auto old = snapshot(builder_.tree);
    assign_new_values();
    CapturedWarnings warnings;
    FaultyStorage faulty;
    faulty.fail_at(n);
    SaveHandle handle = SaveState::handle(submit(path, faulty));
    bool thrown = false;
    try {
      handle.wait();
    } catch (const StorageError&) {
      thrown = true;
      ++failed;
    }
    EXPECT_TRUE(same_values(stored(path), thrown ? old : snapshot(builder_.tree)));
    EXPECT_THAT(files(), ElementsAre("m.weights.h5"));
    if (faulty.faults() == 0) break;
  }
  EXPECT_GT(failed, 6U);
}

TEST_F(AsyncSave, DestroyingTheQueueCompletesWhatIsQueued) {
  std::vector<std::shared_ptr<SaveState>> states;
  {
    SaveQueue queue(1);
    for (int i = 0; i < 5; ++i) {
      const auto path = directory_ / ("m" + std::to_string(i) + ".weights.h5");
      const auto job = std::make_shared<SaveJob>(
          begin_save(TreePtr(TreePtr(), &builder_.tree), path, {}, storage::posix()).value());
      states.push_back(std::make_shared<SaveState>(path));
      queue.submit(save_key(path, false), states.back(),
                   [job](SaveState& s) { run_save(*job, storage::posix(), s); });
    }
  }
  for (const auto& state : states) EXPECT_TRUE(state->done());
  EXPECT_EQ(files().size(), 5U);
}

TEST_F(AsyncSave, AfterTheEndOfTheQueueASaveIsDoneWhenTheCallReturns) {
  queue_.stop();
  EXPECT_TRUE(submit(directory_ / "m.weights.h5", storage::posix())->done());
  EXPECT_TRUE(same_values(stored(directory_ / "m.weights.h5"), snapshot(builder_.tree)));
  EXPECT_EQ(queue_.threads(), 0U);
}

TEST_F(AsyncSave, InitialisersRunOnceForVariableAndFile) {
  std::atomic<int> runs = 0;
  auto lazy = std::make_shared<Variable>("lazy", Shape{5}, DType::kFloat32,
                                         [&](const Shape& shape, DType dtype) {
                                           ++runs;
                                           return random_tensor(random_, shape, dtype);
                                         });
  builder_.tree.nodes[1].variables.push_back({"2", lazy});
  gate_.close_gate();
  SaveHandle handle = SaveState::handle(submit(directory_ / "m.weights.h5", gate_));
  EXPECT_FALSE(lazy->materialized());
  gate_.open_gate();
  handle.wait();
  EXPECT_EQ(runs, 1);
  EXPECT_TRUE(same_values(stored(directory_ / "m.weights.h5"), snapshot(builder_.tree)));
  EXPECT_EQ(runs, 1);
}

TEST_F(AsyncSave, BadArgumentsAreRefusedAtOnce) {
  const auto begin = [&](const std::string& name, SaveRequest request) {
    (void)begin_save(TreePtr(TreePtr(), &builder_.tree), directory_ / name, std::move(request),
                     gate_);
  };
  SaveRequest small;
  small.max_shard_size = 10.0 / (1U << 30);
  SaveRequest careful;
  careful.overwrite = false;
  EXPECT_THROW(begin("m.h5", {}), ValueError);
  EXPECT_THROW(begin("m.weights.json", small), ValueError);
  save(builder_.tree, directory_ / "m.weights.h5", {});
  EXPECT_THROW(begin("m.weights.h5", careful), ValueError);  // tests have no terminal
  core::VariableAccess::release(*builder_.tree.nodes[1].variables[0].variable);
  EXPECT_THROW(begin("m.weights.h5", {}), ValueError);
  builder_.tree.nodes[0].built = false;
  EXPECT_THROW(begin("n.weights.h5", {}), ValueError);
  EXPECT_EQ(gate_.writes(), 0U);
}

TEST(SaveHandle, AnEmptyOneStandsForASaveThatIsOver) {
  SaveHandle handle;
  EXPECT_TRUE(handle.done());
  handle.wait();
  handle.wait_until_copied();
  handle.cancel();
  EXPECT_EQ(handle.progress().bytes_total, 0U);
}

TEST(SaveKey, OfARelativePathIsAbsoluteWhereNothingOfItIsThere) {
  EXPECT_EQ(save_key("there_is_no_such_directory/m.weights.h5", false),
            std::filesystem::absolute("there_is_no_such_directory/m.weights.h5").string());
}

TEST(SaveKey, OfADirectoryIsOneWithASlashBehindItAndBeforeItIsThere) {
  const TemporaryDirectory directory(memory_directory());
  const std::string key = save_key(directory / "run", false);
  for (const bool there : {false, true}) {
    if (there) std::filesystem::create_directory(directory / "run");
    for (const char* name : {"run", "run/", "run//", "run/."}) {
      EXPECT_EQ(save_key(directory / name, false), key) << name << ", there: " << there;
    }
  }
}

}  // namespace
}  // namespace lamina::checkpoint
