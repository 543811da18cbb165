#include "core/forked_along.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mutex>
#include <thread>

namespace lamina::core {
namespace {

struct Pair {
  std::mutex mutex;
  long first = 0, second = 0;  // equal whenever the mutex is free
};

struct Early {
  Early() { made = true; }
  std::mutex mutex;
  static inline bool made = false;
};

// A child would wait for ever for a thread of its parent's that is making it.
TEST(ForkedAlong, IsThereBeforeAnyThreadAsksForIt) {
  EXPECT_TRUE(Early::made);
  EXPECT_EQ(&ForkedAlong<Early>::get(), &ForkedAlong<Early>::get());
}

TEST(ForkedAlong, AChildFindsItFreeAndWhole) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "ThreadSanitizer knows no children of a process with threads";
#endif
  Pair& pair = ForkedAlong<Pair>::get();
  const std::jthread busy([&pair](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      const std::lock_guard lock(pair.mutex);
      ++pair.first;
      for (int i = 0; i < 1000; ++i) __asm__ volatile("" ::: "memory");
      ++pair.second;
    }
  });
  for (int i = 0; i < 30; ++i) {
    long before = 0;
    {
      const std::lock_guard lock(pair.mutex);
      before = pair.second;
    }
    const pid_t child = ::fork();
    if (child == 0) {
      ::alarm(20);  // ends a child that waits for its parent's thread
      const std::lock_guard lock(ForkedAlong<Pair>::get().mutex);
      ::_exit(pair.first == pair.second && pair.second >= before ? 0 : 1);
    }
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_EQ(status, 0);
  }
}

}  // namespace
}  // namespace lamina::core
