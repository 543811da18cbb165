// Saving and loading trees whose values are on devices.
#include <gmock/gmock.h>
#include <lamina/error.h>

#include "checkpoint/checkpoint.h"
#include "runtime/host/host_runtime.h"
#include "tests/checkpoint/trees.h"
#include "tests/fakes/captured_warnings.h"
#include "tests/fakes/fake_gpu.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/fresh_seed.h"

namespace lamina::checkpoint {
namespace {

using lamina::testing::CapturedWarnings;
using lamina::testing::FakeGpu;
using lamina::testing::FakeGpus;
using lamina::testing::FakeRuntime;
using lamina::testing::memory_directory;
using lamina::testing::poisoned_copy;
using lamina::testing::random_tensor;
using lamina::testing::random_tree;
using lamina::testing::same_values;
using lamina::testing::snapshot;
using lamina::testing::TemporaryDirectory;
using lamina::testing::TreeBuilder;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr double kGB = 1024.0 * 1024.0 * 1024.0;
constexpr Device kGpu = Device::cuda(0);

void move(const weights::WeightTree& tree, const std::function<Device()>& where) {
  for (const auto& node : tree.nodes) {
    for (const auto& [key, variable] : node.variables) variable->to(where());
  }
}

class DeviceSave : public ::testing::Test {
 protected:
  /// Loads into copies on the devices and on the host.
  void expect_loads(const weights::WeightTree& tree, const std::filesystem::path& path) {
    const std::vector<Tensor> wanted = snapshot(tree);
    const auto copy = poisoned_copy(tree);
    load(copy, path, {});
    EXPECT_TRUE(same_values(snapshot(copy), wanted));
    for (std::size_t i = 0; i < tree.nodes.size(); ++i) {
      for (std::size_t v = 0; v < tree.nodes[i].variables.size(); ++v) {
        const Variable& loaded = *copy.nodes[i].variables[v].variable;
        EXPECT_EQ(loaded.device(), tree.nodes[i].variables[v].variable->device());
        EXPECT_EQ(loaded.value().device(), loaded.device());
      }
    }
    const auto here = poisoned_copy(tree);
    move(here, [] { return Device::cpu(); });
    load(here, path, {});
    EXPECT_TRUE(same_values(snapshot(here), wanted));
  }
  void save_and_load(const weights::WeightTree& tree) {
    const TemporaryDirectory directory(memory_directory());
    const CapturedWarnings warnings;
    save(tree, directory / "m.weights.h5", {});
    expect_loads(tree, directory / "m.weights.h5");
    double largest = 1;
    for (const auto& node : tree.nodes) {
      for (const auto& v : node.variables) {
        largest = std::max(largest, static_cast<double>(v.variable->nbytes()));
      }
    }
    SaveRequest request;
    request.max_shard_size = (largest + random_() % 2000) / kGB;
    save(tree, directory / "s.weights.json", request);
    expect_loads(tree, directory / "s.weights.json");
    EXPECT_THAT(warnings.all, IsEmpty());
  }

  const unsigned seed_ = lamina::test::fresh_seed();
  ::testing::ScopedTrace trace_{__FILE__, __LINE__, "seed " + std::to_string(seed_)};
  std::mt19937 random_{seed_};
};

TEST_F(DeviceSave, RandomTreesComeBackBitForBit) {
  for (int round = 0; round < 25; ++round) {
    const FakeGpu gpu({.seed = random_()}, {1 + random_() % 3, 4096 * (1 + random_() % 3)});
    {
      const auto tree = random_tree(random_, random_() % 30);
      move(tree, [] { return kGpu; });
      save_and_load(tree);
    }
    EXPECT_EQ(gpu->disorders(), std::vector<std::string>{});
    EXPECT_EQ(gpu->used(), 0U);
  }
}

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
  TreeBuilder builder;
  for (const char* name : {"a", "b", "c"}) {
    builder.layer(std::string("layers/") + name, name,
                  {random_tensor(random_, {3, 500'003}, DType::kFloat32),
                   random_tensor(random_, {17}, DType::kFloat16)});
  }
  move(builder.tree, [] { return kGpu; });
  save_and_load(builder.tree);
}

TEST_F(DeviceSave, ConvertsWhatTheFileTypesOtherwise) {
  const FakeGpu gpu;
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

TEST_F(DeviceSave, ALoadThatFindsNoRoomOnTheDeviceChangesNothing) {
  TreeBuilder builder;
  builder.layer("layers/a", "a", {random_tensor(random_, {4'000}, DType::kUInt8)});
  builder.layer("layers/b", "b", {random_tensor(random_, {5'000}, DType::kUInt8)});
  const TemporaryDirectory directory(memory_directory());
  save(builder.tree, directory / "m.weights.h5", {});
  const FakeGpu gpu({.memory = 15'000});
  const auto copy = poisoned_copy(builder.tree);
  const auto before = snapshot(copy);
  move(copy, [] { return kGpu; });
  try {
    load(copy, directory / "m.weights.h5", {});
    ADD_FAILURE() << "was loaded";
  } catch (const DeviceError& error) {
    EXPECT_TRUE(error.out_of_memory());
    EXPECT_THAT(error.what(), ::testing::HasSubstr((directory / "m.weights.h5").string()));
  }
  EXPECT_TRUE(same_values(snapshot(copy), before));
  EXPECT_EQ(gpu->used(), 9'000U);
}

TEST_F(DeviceSave, WritesWhatTheDeviceHasBeenGivenToCompute) {
  const FakeGpu gpu({.seed = random_()});
  TreeBuilder builder;
  builder.layer("layers/a", "a", {random_tensor(random_, {5'000}, DType::kUInt8)});
  move(builder.tree, [] { return kGpu; });
  const auto news = gpu->allocate_pinned(5'000);
  std::fill_n(news->write(0, 5'000).bytes().data(), 5'000, std::byte{42});
  Tensor value = builder.tree.nodes[1].variables[0].variable->value();
  lamina::testing::overwrite_on_device(kGpu, static_cast<std::byte*>(value.raw()), *news, 5'000);
  const TemporaryDirectory directory(memory_directory());
  save(builder.tree, directory / "m.weights.h5", {});
  const auto copy = poisoned_copy(builder.tree);
  load(copy, directory / "m.weights.h5", {});
  EXPECT_THAT(snapshot(copy).front().data<std::uint8_t>(), ::testing::Each(42));
  (void)value.to(Device::cpu());  // waits for the device
  EXPECT_EQ(gpu->disorders(), std::vector<std::string>{});
}

}  // namespace
}  // namespace lamina::checkpoint
