// Saving and loading trees whose values are on devices, and what it takes.
#include <gmock/gmock.h>

#include "runtime/host/host_runtime.h"
#include "tests/checkpoint/device/device_save_scene.h"

namespace lamina::checkpoint {
namespace {

using namespace lamina::testing;  // NOLINT

constexpr Device kGpu = Device::cuda(0);

TEST_F(DeviceSave, TreesOnSeveralDevicesComeBackBitForBit) {
  for (int round = 0; round < 10; ++round) {
    const auto first = std::make_shared<FakeRuntime>(lamina::testing::FakeOptions{random_()});
    const auto second = std::make_shared<FakeRuntime>(lamina::testing::FakeOptions{random_()});
    const FakeGpus gpus({first, second});
    const auto tree = random_tree(random_, 20);
    move(tree, [&] {
      const unsigned where = random_() % 3;
      return where == 2 ? Device::cpu() : Device::cuda(static_cast<int>(where));
    });
    save_and_load(tree);
    EXPECT_EQ(first->disorders(), std::vector<std::string>{});
    EXPECT_EQ(second->disorders(), std::vector<std::string>{});
  }
}

TEST_F(DeviceSave, LargeTensorsComeBackOnTheHostsThreads) {
  const FakeGpus gpus({std::make_shared<runtime::HostRuntime>()}, {2, 1 << 20});
  const auto tree = large_tree();
  move(tree, [] { return kGpu; });
  save_and_load(tree);
}

TEST_F(DeviceSave, NeedsNoMorePageLockedMemoryThanTheRing) {
  const FakeGpu gpu({}, {2, 8192});
  TreeBuilder builder;
  builder.layer("layers/a", "a", {random_tensor(random_, {300'000}, DType::kUInt8)});
  move(builder.tree, [] { return kGpu; });
  save_and_load(builder.tree);
  EXPECT_EQ(gpu->peak_pinned(), 4U * 8192U) << "two slots of them by which the tensor came";
}

TEST_F(DeviceSave, ThousandsOfSmallTensorsTakeAboutAsManyCopiesAsSlotsAreFilled) {
  constexpr std::size_t kSlot = 65'536, kTensors = 3000;
  const FakeGpu gpu({.seed = random_()}, {2, kSlot});
  TreeBuilder builder;
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < kTensors; ++i) {
    const std::string name = "x_" + std::to_string(i);
    builder.layer("layers/" + name, name,
                  {random_tensor(random_, Shape{static_cast<std::int64_t>(1 + random_() % 200)},
                                 DType::kFloat32)});
    bytes += builder.tree.nodes.back().variables[0].variable->nbytes();
  }
  const auto copy = poisoned_copy(builder.tree);
  move(builder.tree, [] { return kGpu; });
  move(copy, [] { return kGpu; });
  const TemporaryDirectory directory(memory_directory());
  const std::size_t most = 2 * (bytes / kSlot + 1);
  ASSERT_LT(most, kTensors / 20);
  std::size_t before = gpu->batches();
  save(builder.tree, directory / "m.weights.h5", {});
  EXPECT_LE(gpu->batches() - before, most);
  EXPECT_GT(gpu->batches(), before);
  before = gpu->batches();
  load(copy, directory / "m.weights.h5", {});
  EXPECT_LE(gpu->batches() - before, most);
  EXPECT_GT(gpu->batches(), before);
  EXPECT_TRUE(same_values(snapshot(copy), snapshot(builder.tree)));
}

}  // namespace
}  // namespace lamina::checkpoint
