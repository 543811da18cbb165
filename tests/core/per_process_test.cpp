#include "core/per_process.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mutex>
#include <set>
#include <thread>
#include <utility>
#include <vector>

namespace lamina::core {
namespace {

struct Guarded {
  explicit Guarded(int given) : number(given) {}
  std::mutex mutex;
  int number;
};

TEST(PerProcess, IsOneObjectForAllThreads) {
  std::vector<const Guarded*> found(8);
  {
    std::vector<std::jthread> threads;
    for (const Guarded*& mine : found) {
      threads.emplace_back([&mine] { mine = &PerProcess<Guarded, 1>::get(); });
    }
  }
  EXPECT_EQ(std::set(found.begin(), found.end()).size(), 1u);
  EXPECT_EQ(found.front()->number, 1);
}

using Own = PerProcess<Guarded, 7>;

/// Forks a child, which forks another and so on. True when each finds the object as it was made,
/// and its mutex free.
bool all_have_their_own(int generations) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(20);  // ends a child that waits for its parent's mutex
    const std::lock_guard lock(Own::get().mutex);
    const bool made = std::exchange(Own::get().number, 9) == 7;
    ::_exit(made && (generations == 1 || all_have_their_own(generations - 1)) ? 0 : 1);
  }
  int status = -1;
  return child > 0 && ::waitpid(child, &status, 0) == child && status == 0;
}

TEST(PerProcess, AChildHasItsOwnWhoeverHoldsItsParents) {
  const std::lock_guard held(Own::get().mutex);
  Own::get().number = 8;
  EXPECT_TRUE(all_have_their_own(3));
  EXPECT_EQ(Own::get().number, 8);
}

}  // namespace
}  // namespace lamina::core
