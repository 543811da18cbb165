// Values on a device that are saved come back bit for bit. Also a part of test_gpu.
#include <gmock/gmock.h>

#include "tests/checkpoint/device/device_save_scene.h"

namespace lamina::checkpoint {
namespace {

using namespace lamina::testing;  // NOLINT

constexpr Device kGpu = Device::cuda(0);

TEST_F(DeviceSave, RandomTreesComeBackBitForBit) {
  for (int round = 0; round < 25; ++round) {
    const TestedGpu gpu({.seed = random_()}, {1 + random_() % 3, 4096 * (1 + random_() % 3)});
    {
      const auto tree = random_tree(random_, random_() % 30);
      move(tree, [] { return kGpu; });
      save_and_load(tree);
    }
    gpu.expect_order();
    gpu.expect_unused();
  }
}

TEST_F(DeviceSave, LargeTensorsComeBackBitForBit) {
  const TestedGpu gpu({.seed = random_()}, {2, 1 << 20});
  const auto tree = large_tree();
  move(tree, [] { return kGpu; });
  save_and_load(tree);
  gpu.expect_order();
}

TEST_F(DeviceSave, ConvertsWhatTheFileTypesOtherwise) {
  const TestedGpu gpu;
  TreeBuilder narrow, wide;
  const Tensor kernel = Tensor::from(std::vector<float>{1, -2.5F, 3}, {3});
  const Tensor mask = random_tensor(random_, {9}, DType::kBool);
  narrow.layer("layers/a", "a", {kernel.cast(DType::kFloat16), mask});
  wide.layer("layers/a", "a", {kernel, Tensor::zeros({9}, DType::kBool)});
  const TemporaryDirectory directory(memory_directory());
  move(narrow.tree, [] { return kGpu; });
  move(wide.tree, [] { return kGpu; });
  save(narrow.tree, directory / "m.weights.h5", {});
  load(wide.tree, directory / "m.weights.h5", {});
  EXPECT_TRUE(same_values(snapshot(wide.tree), {kernel, mask}));
  EXPECT_EQ(wide.tree.nodes[1].variables[0].variable->value().device(), kGpu);
}

TEST_F(DeviceSave, WritesWhatTheDeviceHasBeenGivenToCompute) {
  const TestedGpu gpu({.seed = random_()});
  TreeBuilder builder;
  builder.layer("layers/a", "a", {random_tensor(random_, {5'000}, DType::kUInt8)});
  move(builder.tree, [] { return kGpu; });
  const auto news = (*gpu).allocate_pinned(5'000);
  std::fill_n(news->write(0, 5'000).bytes().data(), 5'000, std::byte{42});
  Tensor value = builder.tree.nodes[1].variables[0].variable->value();
  overwrite_on_device(kGpu, static_cast<std::byte*>(value.raw()), *news, 5'000);
  const TemporaryDirectory directory(memory_directory());
  save(builder.tree, directory / "m.weights.h5", {});
  const auto copy = poisoned_copy(builder.tree);
  load(copy, directory / "m.weights.h5", {});
  EXPECT_THAT(snapshot(copy).front().data<std::uint8_t>(), ::testing::Each(42));
  (void)value.to(Device::cpu());  // waits for the device
  gpu.expect_order();
}

}  // namespace
}  // namespace lamina::checkpoint
