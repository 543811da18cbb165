// Saves in the background of trees on a device: what they take of its memory and of the host's.
#include <gmock/gmock.h>
#include <lamina/error.h>

#include "core/free_memory.h"
#include "tests/checkpoint/device/device_async_scene.h"

namespace lamina::checkpoint {
namespace {

using namespace lamina::testing;  // NOLINT

constexpr std::size_t kBytes = kFenceBytes;

TEST_F(DeviceAsync, TheAutomaticCopyIsOnTheDeviceWhereThatHasRoom) {
  const FakeGpu gpu({.seed = seed_, .memory = 3 * kBytes});
  expect_early_fence(*gpu, SnapshotPolicy::kAutomatic, kBytes);
}

TEST_F(DeviceAsync, TheAutomaticCopyIsInHostMemoryWhereTheDeviceHasNoRoom) {
  const FakeGpu gpu({.seed = seed_, .memory = kBytes * 3 / 2});
  expect_early_fence(*gpu, SnapshotPolicy::kAutomatic, 0);
}

TEST_F(DeviceAsync, TheAutomaticCopyLeavesAnEighthOfItselfToOthers) {
  constexpr std::size_t kRoom = 9'216 + 20'224 + 0 + 256 + 4'096;  // up to CUDA's alignment
  std::size_t held = 0;
  {
    const FakeGpu gpu({.seed = seed_});
    const auto tree = tree_of(random_, fence_sizes());
    held = gpu->used();
  }
  const auto with_room_for = [&](std::size_t more, SnapshotPolicy policy, std::size_t copied) {
    SCOPED_TRACE(more);
    const FakeGpu gpu({.seed = seed_, .memory = held + more});
    expect_early_fence(*gpu, policy, copied);
  };
  with_room_for(kRoom + kRoom / 8 - 1, SnapshotPolicy::kAutomatic, 0);
  with_room_for(kRoom + kRoom / 8, SnapshotPolicy::kAutomatic, kBytes);
  with_room_for(kRoom, SnapshotPolicy::kDevice, kBytes);  // which was asked for
}

TEST_F(DeviceAsync, ACopyOnADeviceWithoutRoomFailsTheSave) {
  const FakeGpu gpu({.seed = seed_, .memory = kBytes * 3 / 2});
  const auto tree = tree_of(random_, {20'000, 13'000});
  SaveHandle handle = SaveState::handle(submit(tree, SnapshotPolicy::kDevice, gate_));
  try {
    handle.wait();
    ADD_FAILURE() << "was saved";
  } catch (const DeviceError& error) {
    EXPECT_TRUE(error.out_of_memory());
    EXPECT_THAT(error.what(), ::testing::HasSubstr((directory_ / "m.weights.h5").string()));
  }
  EXPECT_THAT(storage::posix().list(directory_.path()), ::testing::IsEmpty());
}

TEST_F(DeviceAsync, ThereIsNoAutomaticCopyWhereNeitherMemoryHasRoom) {
  constexpr std::size_t kRoom = 9'216 + 20'224;  // of the two tensors, each up to CUDA's alignment
  for (const std::size_t free : {std::size_t{0}, kRoom + kRoom / 8 - 1}) {
    const core::ReplacedFreeMemory replaced(free);
    const FakeGpu gpu({.seed = seed_, .memory = kRoom * 3 / 2}, {2, 4'096});
    expect_late_fence(*gpu, SnapshotPolicy::kAutomatic);
  }
  const core::ReplacedFreeMemory replaced(kRoom + kRoom / 8);
  const FakeGpu gpu({.seed = seed_, .memory = kRoom * 3 / 2}, {2, 4'096});
  gate_.close_gate();
  const auto tree = tree_of(random_, {9'000, 20'000});
  SaveHandle handle = SaveState::handle(submit(tree, SnapshotPolicy::kAutomatic, gate_));
  handle.wait_until_copied();  // there is one in host memory
  gate_.open_gate();
  handle.wait();
}

TEST_F(DeviceAsync, TwoSavesAtATimeNeedNoMorePageLockedMemoryThanTheRing) {
  for (const SnapshotPolicy policy : {SnapshotPolicy::kNone, SnapshotPolicy::kDevice,
                                      SnapshotPolicy::kHost, SnapshotPolicy::kAutomatic}) {
    SCOPED_TRACE(static_cast<int>(policy));
    const FakeGpu gpu({.seed = seed_}, {2, 4'096});
    const auto tree = tree_of(random_, {90'000, 70'000}), other = tree_of(random_, {5, 80'000});
    gate_.close_gate();
    SaveHandle first = SaveState::handle(submit(tree, policy, gate_, "a"));
    SaveHandle second = SaveState::handle(submit(other, policy, gate_, "b"));
    // Neither can end, and each has begun when it holds its lock.
    for (const char* lock : {".a.weights.h5.lock", ".b.weights.h5.lock"}) {
      while (!storage::posix().exists(directory_ / lock)) std::this_thread::yield();
    }
    EXPECT_FALSE(first.done() || second.done());
    gate_.open_gate();
    first.wait();
    second.wait();
    EXPECT_EQ(gpu->peak_pinned(), 4U * 4'096U) << "two slots of them by which the tensors came";
    EXPECT_TRUE(same_values(stored(tree, "a"), snapshot(tree)));
    EXPECT_TRUE(same_values(stored(other, "b"), snapshot(other)));
    EXPECT_EQ(gpu->disorders(), std::vector<std::string>{});
  }
}

TEST_F(DeviceAsync, TheCheckerSeesAnUpdateThatDoesNotWaitForTheFence) {
  const FakeGpu gpu({.seed = seed_}, {1, 4'096});
  const auto tree = tree_of(random_, {20'000});
  gate_.close_gate();
  SaveHandle handle = SaveState::handle(submit(tree, SnapshotPolicy::kNone, gate_));
  gate_.wait_for_writer();
  Updates updates(*gpu, random_);
  updates.run(tree);  // the planted mistake
  gate_.open_gate();
  handle.wait();
  updates.wait();
  EXPECT_FALSE(gpu->disorders().empty());
}

}  // namespace
}  // namespace lamina::checkpoint
