// Saves in the background of trees on a device: how long the fence lasts, and who may touch what
// when. Also a part of test_gpu.
#include <gmock/gmock.h>
#include <lamina/error.h>

#include <cstdlib>

#include "tests/checkpoint/device/device_async_scene.h"

namespace lamina::checkpoint {
namespace {

using namespace lamina::testing;  // NOLINT

struct Snapshot {
  const char* name;
  SnapshotPolicy policy;
  std::size_t slot_bytes;
  std::size_t copied;  ///< beside the values, on the device
};

class DeviceSnapshot : public DeviceAsync, public ::testing::WithParamInterface<Snapshot> {};

TEST_P(DeviceSnapshot, LiftsTheFenceBeforeAnythingIsWritten) {
  const TestedGpu gpu({.seed = seed_}, {2, GetParam().slot_bytes});
  expect_early_fence(*gpu, GetParam().policy, GetParam().copied);
}
INSTANTIATE_TEST_SUITE_P(
    Each, DeviceSnapshot,
    ::testing::Values(Snapshot{"OnTheDevice", SnapshotPolicy::kDevice, 4'096, kFenceBytes},
                      Snapshot{"InHostMemory", SnapshotPolicy::kHost, 4'096, 0},
                      Snapshot{"Automatic", SnapshotPolicy::kAutomatic, 4'096, kFenceBytes},
                      Snapshot{"InARingThatTakesItAll", SnapshotPolicy::kNone, 65'536, 0}),
    [](const auto& info) { return std::string(info.param.name); });

TEST_F(DeviceAsync, WithoutACopyTheFenceLastsUntilTheLastBytesAreInTheRing) {
  const TestedGpu gpu({.seed = seed_}, {2, 4'096});
  expect_late_fence(*gpu, SnapshotPolicy::kNone);
}

TEST_F(DeviceAsync, ACancelledSaveLeavesNothing) {
  const TestedGpu gpu({.seed = seed_}, {2, 4'096});
  {
    const auto tree = tree_of(random_, {9'000, 200'000});
    gate_.close_gate();
    SaveHandle handle = SaveState::handle(submit(tree, SnapshotPolicy::kNone, gate_));
    gate_.wait_for_writer();
    handle.cancel();
    gate_.open_gate();
    EXPECT_THROW(handle.wait(), CancelledError);
    EXPECT_THAT(storage::posix().list(directory_.path()), ::testing::IsEmpty());
    SaveState::handle(submit(tree, SnapshotPolicy::kNone, gate_)).wait();
    EXPECT_TRUE(same_values(stored(tree), snapshot(tree)));
  }
  gpu.expect_unused();
  gpu.expect_order();
}

/// LAMINA_ORDER_SEEDS asks for more than the everyday number. A real device has one order.
std::uint64_t seeds() {
  const char* given = std::getenv("LAMINA_ORDER_SEEDS");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : kRealGpu ? 30 : 300;
}

SnapshotPolicy any_policy(std::mt19937& random) {
  constexpr SnapshotPolicy kAll[] = {SnapshotPolicy::kNone, SnapshotPolicy::kDevice,
                                     SnapshotPolicy::kHost, SnapshotPolicy::kAutomatic};
  return kAll[random() % std::size(kAll)];
}

// A loop of steps that save, compute, wait for the fence and update in place; then a load.
TEST_F(DeviceAsync, NothingIsReadOrWrittenOutOfOrderUnderAnySeed) {
  for (std::uint64_t i = 0; i < seeds(); ++i) {
    SCOPED_TRACE(i);
    std::mt19937 random(static_cast<unsigned>(seed_ + i));
    const bool scarce = random() % 2 == 0;
    const std::size_t memory = scarce ? 30'000 + random() % 40'000 : 1'000'000;
    const TestedGpu gpu({.seed = seed_ + i, .memory = memory},
                        {1 + random() % 3, 4096 * (1 + random() % 2)});
    std::vector<std::int64_t> sizes(1 + random() % 5);
    for (std::int64_t& size : sizes) {
      size = random() % 2 == 0 ? random() % 6'000 : random() % 100;
    }
    const auto tree = tree_of(random, sizes);
    Updates updates(*gpu, random);
    std::vector<SaveHandle> handles;
    std::vector<std::vector<Tensor>> expected;
    for (int step = 0; step < 2; ++step) {
      expected.push_back(step == 0 ? snapshot(tree) : updates.expected());
      SnapshotPolicy policy = any_policy(random);
      if (policy == SnapshotPolicy::kDevice) policy = SnapshotPolicy::kAutomatic;  // as it fits
      handles.push_back(
          SaveState::handle(submit(tree, policy, storage::posix(), std::to_string(step))));
      handles.back().wait_until_copied();
      updates.run(tree);
    }
    for (SaveHandle& handle : handles) handle.wait();
    for (std::size_t step = 0; step < 2; ++step) {
      const Device place = scarce ? Device::cpu() : Device::cuda();
      ASSERT_TRUE(same_values(stored(tree, std::to_string(step), place), expected[step]));
    }
    updates.wait();
    ASSERT_TRUE(same_values(snapshot(tree), updates.expected()));
    gpu.expect_order();
    ASSERT_FALSE(HasFailure());
  }
}

}  // namespace
}  // namespace lamina::checkpoint
