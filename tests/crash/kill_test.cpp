// Real processes, really killed: a child saves two sets of values in turn, now in few shards, now
// in many, until SIGKILL ends it at a random moment. LAMINA_CRASH_KILLS: how often (1000).
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <system_error>
#include <thread>

#include "checkpoint/commit/hidden_names.h"
#include "tests/checkpoint/crash_scene.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/fresh_seed.h"

namespace lamina::checkpoint {
namespace {

using lamina::testing::CrashScene;
using lamina::testing::TemporaryDirectory;
using Clock = std::chrono::steady_clock;

std::size_t kills() {
  const char* text = std::getenv("LAMINA_CRASH_KILLS");
  return text == nullptr ? 1000 : std::strtoul(text, nullptr, 10);
}

/// A child that does nothing but save, from its start until it is killed.
class Saver {
 public:
  Saver(const CrashScene& scene, std::optional<double> odd, std::optional<double> even,
        std::size_t first) {
    pid_ = ::fork();
    if (pid_ < 0) throw std::system_error(errno, std::generic_category(), "fork");
    if (pid_ == 0) save_for_ever(scene, odd, even, first);
  }
  ~Saver() { kill(); }
  Saver(const Saver&) = delete;
  Saver& operator=(const Saver&) = delete;

  /// False: the child had ended by itself, which it never should.
  bool kill() {
    if (pid_ <= 0) return true;
    ::kill(pid_, SIGKILL);
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = 0;
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  }

 private:
  [[noreturn]] static void save_for_ever(const CrashScene& scene, std::optional<double> odd,
                                         std::optional<double> even, std::size_t first) {
    try {
      for (std::size_t i = first;; ++i) {
        scene.save(i % 2, i % 2 == 0 ? even : odd, storage::posix());
      }
    } catch (const std::exception& error) {
      std::cerr << error.what() << std::endl;
    }
    std::_Exit(1);
  }

  pid_t pid_ = 0;
};

struct Way {
  const char* name;
  std::optional<double> odd, even;
};

void PrintTo(const Way& way, std::ostream* out) {
  *out << way.name;
}

class Kill : public ::testing::TestWithParam<Way> {
 protected:
  Kill() { std::cout << "seed " << seed_ << "\n"; }

  [[nodiscard]] std::vector<std::string> hidden() const {
    auto names = storage::posix().list(directory_.path());
    std::erase_if(names, [](const std::string& name) { return !name.starts_with('.'); });
    return names;
  }

  /// How long a child needs here for a few saves, its start among them, with this build, at
  /// present.
  std::chrono::microseconds window() {
    Clock::duration longest{};
    for (int attempt = 0; attempt < 3; ++attempt) {
      const auto begin = Clock::now();
      const pid_t child = ::fork();
      if (child == 0) save_and_exit();
      int status = -1;
      EXPECT_EQ(::waitpid(child, &status, 0), child);
      EXPECT_EQ(status, 0);
      longest = std::max(longest, Clock::now() - begin);
    }
    return std::chrono::duration_cast<std::chrono::microseconds>(longest);
  }
  /// What is thrown ends the child, too.
  [[noreturn]] void save_and_exit() const noexcept {
    for (std::size_t i = 0; i < 4; ++i) {
      scene_.save(i % 2, i % 2 == 0 ? GetParam().even : GetParam().odd, storage::posix());
    }
    std::_Exit(0);
  }
  /// Some moment within the window, or soon after a record is seen.
  void wait(std::chrono::microseconds window, bool for_a_record) {
    const auto until = Clock::now() + window * static_cast<int>(random_() % 1000) / 1000;
    while (for_a_record && Clock::now() < until) {
      if (!storage::posix().exists(CheckpointPlace(scene_.path()).record())) continue;
      for (unsigned spins = random_() % 5'000; spins > 0; --spins) (void)Clock::now();
      return;
    }
    std::this_thread::sleep_until(until);
  }

  const unsigned seed_ = lamina::test::fresh_seed();
  std::mt19937 random_{seed_};
  const TemporaryDirectory directory_{lamina::testing::memory_directory()};
  const CrashScene scene_{random_, (directory_ / GetParam().name).string(), 2};
};

TEST_P(Kill, AtRandomMomentsNeverSpoilsTheCheckpoint) {
  const auto some_saves = window();
  std::cout << "kills within " << some_saves.count() << " us\n";
  std::size_t interrupted = 0, committed = 0, found[2] = {};
  const std::size_t count = kills();
  for (std::size_t i = 0; i < count; ++i) {
    SCOPED_TRACE(i);
    Saver saver(scene_, GetParam().odd, GetParam().even, random_() % 2);
    wait(some_saves, GetParam().odd && i % 2 == 0);
    ASSERT_TRUE(saver.kill());
    interrupted += !hidden().empty();
    committed += storage::posix().exists(CheckpointPlace(scene_.path()).record());
    const int set = scene_.load(storage::posix());
    ASSERT_GE(set, 0);
    ++found[set];
    if (i % 8 == 0) {
      const Recovery done = recover_directory(directory_.path(), storage::posix());
      ASSERT_TRUE(done.problems.empty() && done.in_use.empty());
      ASSERT_TRUE(hidden().empty());
      ASSERT_EQ(scene_.load(storage::posix()), set);
    }
  }
  std::cout << count << " kills, " << interrupted << " within a save, " << committed
            << " while files were put in place; loaded " << found[0] << " and " << found[1]
            << " times\n";
  scene_.save(1, GetParam().odd, storage::posix());
  EXPECT_EQ(scene_.load(storage::posix()), 1);
  EXPECT_TRUE(hidden().empty());
  EXPECT_GT(interrupted, count / 10);
  EXPECT_TRUE(found[0] > 0 && found[1] > 0);
  if (GetParam().odd && count >= 500) {
    EXPECT_GT(committed, 0u);
  }
}

// The children wait for each other, and what one that was killed left is not what another needs.
TEST_P(Kill, OfOneOfTwoSaversLeavesTheOtherInPeace) {
  const auto some_saves = window();
  Saver lives(scene_, GetParam().odd, GetParam().even, 0);
  for (std::size_t i = 0; i < 20; ++i) {
    Saver dies(scene_, GetParam().odd, GetParam().even, 1);
    wait(some_saves, false);
    (void)recover_directory(directory_.path(), storage::posix());
    ASSERT_TRUE(dies.kill());
  }
  ASSERT_TRUE(lives.kill());
  EXPECT_GE(scene_.load(storage::posix()), 0);
}

INSTANTIATE_TEST_SUITE_P(
    Ways, Kill, ::testing::Values(Way{"m.weights.json", 610, 1300}, Way{"m.weights.h5", {}, {}}),
    [](const auto& info) { return std::string(info.param.odd ? "shards" : "file"); });

}  // namespace
}  // namespace lamina::checkpoint
