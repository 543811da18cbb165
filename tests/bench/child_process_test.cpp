// How benches start the processes that they measure.
#include "bench/child_process.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace lamina::bench {
namespace {

TEST(Processors, AreThoseThatThisProcessMayRunOn) {
  cpu_set_t before;
  ASSERT_EQ(sched_getaffinity(0, sizeof before, &before), 0);
  int last = CPU_SETSIZE - 1;
  while (!CPU_ISSET(last, &before)) --last;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(last, &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
  EXPECT_EQ(processors(2), std::to_string(last));
  ASSERT_EQ(sched_setaffinity(0, sizeof before, &before), 0);
  const auto count = static_cast<int>(CPU_COUNT(&before));
  const std::string all = processors(count + 1);
  EXPECT_EQ(std::count(all.begin(), all.end(), ','), count - 1);
  EXPECT_EQ(processors(1).find(','), std::string::npos);
  EXPECT_EQ(run_child({"taskset", "-c", processors(1), "echo", "ran"}), "ran\n");
}

}  // namespace
}  // namespace lamina::bench
