// A child that is forked while its parent saves in the background.
#include <gtest/gtest.h>
#include <lamina/error.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "checkpoint/background/save_queue.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/save/save_job.h"
#include "tests/checkpoint/trees.h"
#include "tests/fakes/gated_storage.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/fresh_seed.h"

namespace lamina::checkpoint {
namespace {

using lamina::testing::GatedStorage;
using lamina::testing::memory_directory;
using lamina::testing::poisoned_copy;
using lamina::testing::random_tensor;
using lamina::testing::same_values;
using lamina::testing::snapshot;
using lamina::testing::TemporaryDirectory;
using lamina::testing::TreeBuilder;

class Forks : public ::testing::Test {
 protected:
  Forks() {
    builder_.layer("layers/x", "x",
                   {random_tensor(random_, {64, 3}, DType::kFloat32),
                    random_tensor(random_, {7}, DType::kFloat16)});
  }
  ~Forks() override {
    gate_.open_gate();
    save_queue().wait_for_all();
  }

  std::shared_ptr<SaveState> submit(const std::string& name, storage::Storage& storage) {
    const auto path = directory_ / name;
    const auto job = std::make_shared<SaveJob>(
        begin_save(TreePtr(TreePtr(), &builder_.tree), path, {}, storage).value());
    const auto state = std::make_shared<SaveState>(path);
    save_queue().submit(save_key(path, false), state,
                        [job, &storage](SaveState& s) { run_save(*job, storage, s); });
    return state;
  }
  bool is_stored(const std::string& name) {
    const auto copy = poisoned_copy(builder_.tree);
    load(copy, directory_ / name, {});
    return same_values(snapshot(copy), snapshot(builder_.tree));
  }
  /// In the child.
  bool saves(const std::string& in_parent) {
    save_queue().wait_for(save_key(directory_ / in_parent, false));
    if (save_queue().wait_for_all() || save_queue().threads() > 0) return false;
    for (int i = 0; i < 5; ++i) {
      submit("child.weights.h5", storage::posix())->wait();
      if (!is_stored("child.weights.h5")) return false;
    }
    save(builder_.tree, directory_ / "direct.weights.h5", {});
    save_queue().stop();
    return is_stored("direct.weights.h5");
  }

  const unsigned seed_ = lamina::test::fresh_seed();
  ::testing::ScopedTrace trace_{__FILE__, __LINE__, "seed " + std::to_string(seed_)};
  std::mt19937 random_{seed_};
  TemporaryDirectory directory_{memory_directory()};
  TreeBuilder builder_;
  GatedStorage gate_;
};

TEST_F(Forks, AChildIsToldThatItCannotWaitForItsParentsSaves) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "ThreadSanitizer lets no child of a process with threads go on";
#endif
  SaveHandle over = SaveState::handle(submit("second.weights.h5", storage::posix()));
  over.wait();
  gate_.close_gate();
  SaveHandle under_way = SaveState::handle(submit("first.weights.h5", gate_));
  gate_.wait_for_writer();
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(20);  // ends a child that waits for its parent's threads
    over.wait();
    under_way.wait_until_copied();
    under_way.cancel();
    if (!under_way.done()) ::_exit(1);
    try {
      under_way.wait();
      ::_exit(2);
    } catch (const Error& error) {
      const std::string text = error.what();
      ::_exit(text.find("first.weights.h5") != text.npos && text.find("forked") != text.npos ? 0
                                                                                             : 3);
    }
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_FALSE(under_way.done());
  gate_.open_gate();
  under_way.wait();
  EXPECT_TRUE(is_stored("first.weights.h5"));
}

TEST_F(Forks, AChildSavesAndLeavesItsParentsSavesAlone) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "ThreadSanitizer lets no child of a process with threads start one";
#endif
  gate_.close_gate();
  const auto first = submit("first.weights.h5", gate_);
  gate_.wait_for_writer();
  submit("second.weights.h5", storage::posix())->wait();
  // Until the thread that has saved waits for more to do.
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(20);  // ends a child that waits for its parent's threads
    save_queue().wait_for({first});
    ::_exit(saves("first.weights.h5") ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_FALSE(first->done());
  gate_.open_gate();
  first->wait();
  EXPECT_TRUE(is_stored("first.weights.h5"));
  EXPECT_TRUE(is_stored("child.weights.h5"));
}

}  // namespace
}  // namespace lamina::checkpoint
