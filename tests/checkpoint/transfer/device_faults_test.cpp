#include <gtest/gtest.h>
#include <lamina/error.h>

#include "checkpoint/transfer/device_transfer.h"
#include "tests/checkpoint/transfer/device_trees.h"
#include "tests/fakes/fake_runtime.h"
#include "tests/fresh_seed.h"

namespace lamina::checkpoint {
namespace {

using lamina::testing::DeviceTree;
using lamina::testing::FakeRuntime;
using lamina::testing::FileFaults;
using runtime::PinnedRing;

constexpr char kStatus[] = "cudaErrorIllegalAddress";

struct Way {
  const char* name;
  bool loads;
  FakeRuntime::Fault fault;
};

class DeviceFaults : public ::testing::TestWithParam<Way> {
 protected:
  /// One transfer of fresh files; false where it failed as injected.
  bool transfer(DeviceTree& tree, PinnedRing& ring, Timeline* timeline) {
    const ByteProgress::Callback none;
    ByteProgress progress(none, 0);
    if (GetParam().loads) {
      read_to_device(tree.reads(), ring, progress, {.timeline = timeline});
    } else {
      write_from_device(tree.writes(), ring, progress, {.timeline = timeline});
    }
    return true;
  }
  void prepare(DeviceTree& tree, FileFaults* faults) {
    if (GetParam().loads) {
      tree.fresh_files(faults);
      tree.prepare_load();
    } else {
      tree.upload();
      tree.fresh_files(faults);
    }
  }
  bool complete(DeviceTree& tree) {
    return GetParam().loads ? tree.device_holds_values() : tree.files_hold_values();
  }
};

TEST_P(DeviceFaults, AtAnyCallOfTheRuntimeSurfaceAndLeaveNothing) {
  const std::uint64_t seed = lamina::test::fresh_seed();
  SCOPED_TRACE(seed);
  std::size_t failed = 0;
  for (std::size_t n = 0;; ++n) {
    SCOPED_TRACE(n);
    std::mt19937_64 random(seed);  // the same tree each time
    FakeRuntime runtime({.seed = seed + n});
    bool whole = false;
    {
      PinnedRing ring(runtime, {2, 4096});
      DeviceTree tree(runtime, random, 30, 9'000);
      prepare(tree, nullptr);
      const int before = runtime.live();
      Timeline timeline;
      runtime.fail_at(n, kStatus, GetParam().fault);
      try {
        whole = transfer(tree, ring, &timeline);
      } catch (const DeviceError& error) {
        ++failed;
        EXPECT_EQ(error.status(), kStatus);
        EXPECT_FALSE(error.call().empty());
      }
      const bool reached = runtime.calls() > n;
      runtime.fail_never();
      EXPECT_EQ(runtime.live(), before);
      EXPECT_EQ(whole, !reached) << "a failure was swallowed";
      prepare(tree, nullptr);
      transfer(tree, ring, nullptr);
      EXPECT_TRUE(complete(tree));
    }
    EXPECT_EQ(runtime.live(), 0);
    EXPECT_EQ(runtime.disorders(), std::vector<std::string>{});
    if (whole) break;
  }
  EXPECT_GE(failed, 10U);  // of a small tree few
}

TEST_P(DeviceFaults, AtAnyCallOfAFileSurfaceAndLeaveNothing) {
  const std::uint64_t seed = lamina::test::fresh_seed();
  SCOPED_TRACE(seed);
  std::size_t failed = 0;
  for (std::size_t n = 0;; ++n) {
    SCOPED_TRACE(n);
    std::mt19937_64 random(seed);  // the same tree each time
    FakeRuntime runtime({.seed = seed + n});
    bool whole = false;
    {
      PinnedRing ring(runtime, {2, 4096});
      DeviceTree tree(runtime, random, 30, 9'000);
      FileFaults faults;
      prepare(tree, &faults);
      faults.calls = 0;
      faults.due = n;
      const int before = runtime.live();
      try {
        whole = transfer(tree, ring, nullptr);
      } catch (const StorageError& error) {
        ++failed;
        EXPECT_NE(std::string(error.what()).find("'file"), std::string::npos) << error.what();
      }
      EXPECT_EQ(whole, faults.calls <= n) << "a failure was swallowed";
      EXPECT_EQ(runtime.live(), before);
      prepare(tree, nullptr);
      transfer(tree, ring, nullptr);
      EXPECT_TRUE(complete(tree));
    }
    EXPECT_EQ(runtime.live(), 0);
    EXPECT_EQ(runtime.disorders(), std::vector<std::string>{});
    if (whole) break;
  }
  EXPECT_GE(failed, 3U);
}

TEST(PinnedRing, LeaksNothingWhenItCannotBeMade) {
  for (std::size_t n = 0; n < 9; ++n) {
    FakeRuntime runtime;
    runtime.fail_at(n, "cudaErrorMemoryAllocation");
    EXPECT_THROW(PinnedRing(runtime, {3, 4096}), DeviceError);
    EXPECT_EQ(runtime.live(), 0);
  }
}

INSTANTIATE_TEST_SUITE_P(Each, DeviceFaults,
                         ::testing::Values(Way{"SaveNow", false, FakeRuntime::Fault::kNow},
                                           Way{"SaveLater", false, FakeRuntime::Fault::kLater},
                                           Way{"LoadNow", true, FakeRuntime::Fault::kNow},
                                           Way{"LoadLater", true, FakeRuntime::Fault::kLater}),
                         [](const auto& tested) { return std::string(tested.param.name); });

}  // namespace
}  // namespace lamina::checkpoint
