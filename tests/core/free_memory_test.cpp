#include "core/free_memory.h"

#include <gtest/gtest.h>

#include <fstream>
#include <random>
#include <string>

#include "tests/fakes/temporary_directory.h"
#include "tests/fresh_seed.h"

namespace lamina::core {
namespace {

constexpr std::size_t kMebibyte = std::size_t{1} << 20;

/// A file system of control groups, and what a process is told of its own.
class ControlGroups : public ::testing::Test {
 protected:
  void write(const std::string& path, const std::string& text) {
    const std::filesystem::path file = root_ / path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text << '\n';
  }
  GroupMemory memory_of(const std::string& membership) {
    write("self", membership);
    return group_memory(root_ / "self", root_ / "groups");
  }
  std::size_t some() { return kMebibyte * (1000 + random_() % 1000); }

  const unsigned seed_ = test::fresh_seed();
  ::testing::ScopedTrace trace_{__FILE__, __LINE__, "seed " + std::to_string(seed_)};
  std::mt19937 random_{seed_};
  testing::TemporaryDirectory directory_;
  std::filesystem::path root_ = directory_.path();
};

void expect_unbounded(const GroupMemory& memory) {
  for (const std::size_t bytes : {memory.free, memory.bound, memory.swap, memory.all}) {
    EXPECT_EQ(bytes, SIZE_MAX);
  }
}

TEST_F(ControlGroups, AreBoundedByEachThatAProcessIsIn) {
  const std::size_t outer = some(), inner = outer + some(), used = some() / 4, cached = used / 3;
  write("groups/job/memory.max", std::to_string(outer));
  write("groups/job/memory.current", std::to_string(used));
  write("groups/job/memory.stat",
        "anon 7\ninactive_anon 9\ninactive_file " + std::to_string(cached) + "\nactive_file 5");
  write("groups/job/memory.swap.max", "max");
  write("groups/job/step/memory.max", std::to_string(inner));
  write("groups/job/step/memory.current", "0");
  write("groups/job/step/memory.swap.max", "0");
  write("groups/job/step/task/memory.max", "max");
  write("groups/other/memory.max", "1");
  const GroupMemory memory = memory_of("0::/job/step/task");
  EXPECT_EQ(memory.bound, outer);
  EXPECT_EQ(memory.free, outer - (used - cached));
  EXPECT_EQ(memory.swap, 0U);
  EXPECT_EQ(memory.all, SIZE_MAX);
  expect_unbounded(memory_of("0::/"));
  expect_unbounded(memory_of("0::/step/task"));
}

TEST_F(ControlGroups, OfTheFirstVersionBoundMemoryAndSwapTogether) {
  const std::size_t bound = some(), used = bound + some();
  write("groups/memory/memory.limit_in_bytes", "9223372036854771712");
  write("groups/memory/job/memory.limit_in_bytes", std::to_string(bound));
  write("groups/memory/job/memory.usage_in_bytes", std::to_string(used));
  write("groups/memory/job/memory.stat", "inactive_file 3\ntotal_inactive_file 0");
  write("groups/memory/job/memory.memsw.limit_in_bytes", std::to_string(2 * bound));
  const GroupMemory memory = memory_of("5:cpu,memory:/job\n4:memory_like:/other\n0::/");
  EXPECT_EQ(memory.bound, bound);
  EXPECT_EQ(memory.free, 0U);
  EXPECT_EQ(memory.swap, SIZE_MAX);
  EXPECT_EQ(memory.all, 2 * bound);
  EXPECT_GT(memory_of("5:memory:/").bound, used);
}

// A container's own group is the root that it sees, whatever its path outside is.
TEST_F(ControlGroups, OfAContainerAreFoundAtTheRoot) {
  const std::size_t bound = some();
  write("groups/memory.max", std::to_string(bound));
  for (const char* membership : {"0::/docker/4711", "0::/../..", "", "no group"}) {
    SCOPED_TRACE(membership);
    EXPECT_EQ(memory_of(membership).bound, bound);
    EXPECT_EQ(memory_of(membership).free, bound);
  }
}

TEST_F(ControlGroups, ThatAreNotThereBoundNothing) {
  expect_unbounded(group_memory(root_ / "none", root_ / "nowhere"));
}

TEST(FreeMemory, IsNoMoreThanThereIs) {
  EXPECT_GT(host_memory(), kMebibyte);
  EXPECT_LE(free_host_memory(), host_memory());
}

}  // namespace
}  // namespace lamina::core
