// Saves in the background of trees on a device: how long the fence lasts, and who may touch what
// when.
#include <gmock/gmock.h>
#include <lamina/error.h>
#include <lamina/save_handle.h>

#include <chrono>
#include <cstdlib>

#include "checkpoint/async_save.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/save_job.h"
#include "core/free_memory.h"
#include "tests/checkpoint/trees.h"
#include "tests/fakes/fake_gpu.h"
#include "tests/fakes/gated_storage.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/fresh_seed.h"

namespace lamina::checkpoint {
namespace {

using namespace lamina::testing;  // NOLINT

constexpr Device kGpu = Device::cuda(0);

weights::WeightTree tree_of(std::mt19937& random, const std::vector<std::int64_t>& sizes) {
  TreeBuilder builder;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const std::string name = "x_" + std::to_string(i);
    builder.layer("layers/" + name, name, {random_tensor(random, {sizes[i]}, DType::kUInt8)});
  }
  for (auto& node : builder.tree.nodes) {
    for (auto& [key, variable] : node.variables) variable->to(kGpu);
  }
  return std::move(builder.tree);
}

std::vector<Tensor> values_of(const weights::WeightTree& tree) {
  std::vector<Tensor> out;
  for (const auto& node : tree.nodes) {
    for (const auto& [key, variable] : node.variables) out.push_back(variable->value());
  }
  return out;
}

/// An optimizer that writes new random values into the weights' own memory, on the stream on which
/// the device computes.
class Updates {
 public:
  Updates(FakeRuntime& runtime, std::mt19937& random) : runtime_(runtime), random_(random) {}
  /// Returns at once; the new values are `expected()`.
  void run(const weights::WeightTree& tree) {
    expected_.clear();
    std::vector<Tensor> values = values_of(tree);
    for (Tensor& value : values) {
      const std::size_t size = value.nbytes();
      auto news = runtime_.allocate_pinned(size);
      {
        const auto access = news->write(0, size);
        for (std::byte& byte : access.bytes()) byte = static_cast<std::byte>(random_());
        expected_.push_back(Tensor::from_bytes(access.bytes(), value.shape(), value.dtype()));
      }
      overwrite_on_device(kGpu, static_cast<std::byte*>(value.raw()), *news, size);
      news_.push_back(std::move(news));
    }
  }
  /// The device has done all of them.
  void wait() {
    runtime::devices().get(kGpu)->with_stream([](auto& stream) { stream.synchronize(); });
    news_.clear();
  }
  [[nodiscard]] const std::vector<Tensor>& expected() const { return expected_; }

 private:
  FakeRuntime& runtime_;
  std::mt19937& random_;
  std::vector<Tensor> expected_;
  std::vector<std::unique_ptr<runtime::PinnedMemory>> news_;
};

class DeviceAsync : public ::testing::Test {
 protected:
  ~DeviceAsync() override { gate_.open_gate(); }

  std::shared_ptr<SaveState> submit(const weights::WeightTree& tree, SnapshotPolicy policy,
                                    storage::Storage& storage, const std::string& name = "m") {
    const auto path = directory_ / (name + ".weights.h5");
    const auto job =
        std::make_shared<SaveJob>(begin_save(Tree(Tree(), &tree), path, {}, storage).value());
    job->snapshot = policy;
    const auto state = std::make_shared<SaveState>(path);
    queue_.submit(save_key(path, false), state,
                  [job, &storage](SaveState& s) { run_save(*job, storage, s); });
    return state;
  }
  std::vector<Tensor> stored(const weights::WeightTree& tree, const std::string& name = "m",
                             Device place = Device::cpu()) {
    const auto copy = poisoned_copy(tree, place);
    load(copy, directory_ / (name + ".weights.h5"), {});
    return snapshot(copy);
  }
  /// Saves behind a closed gate, updates in place as soon as the fence lifts, and opens the gate
  /// only then.
  void expect_early_fence(FakeRuntime& runtime, SnapshotPolicy policy, std::size_t more_memory) {
    const auto tree = tree_of(random_, {9'000, 20'000, 0, 5, 4'096});
    const auto expected = snapshot(tree);
    const std::size_t used = runtime.used();
    gate_.close_gate();
    SaveHandle handle(submit(tree, policy, gate_));
    handle.wait_until_copied();
    EXPECT_FALSE(handle.done());
    EXPECT_GE(runtime.used(), used + more_memory);
    EXPECT_LE(runtime.used(), used + more_memory * 3 / 2);
    Updates updates(runtime, random_);
    updates.run(tree);
    gate_.open_gate();
    handle.wait();
    EXPECT_TRUE(same_values(stored(tree), expected));
    EXPECT_EQ(runtime.used(), used);
    updates.wait();
    EXPECT_TRUE(same_values(snapshot(tree), updates.expected()));
    EXPECT_EQ(runtime.disorders(), std::vector<std::string>{});
  }

  /// Saves behind a closed gate, where the ring holds less than the values: the fence lasts.
  void expect_late_fence(FakeRuntime& runtime, SnapshotPolicy policy) {
    const auto tree = tree_of(random_, {9'000, 20'000});
    const auto expected = snapshot(tree);
    gate_.close_gate();
    SaveHandle handle(submit(tree, policy, gate_));
    gate_.wait_for_writer();
    std::atomic<bool> lifted = false;
    std::jthread fence([&] {
      handle.wait_until_copied();
      lifted = true;
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    EXPECT_FALSE(lifted);
    gate_.open_gate();
    fence.join();
    Updates updates(runtime, random_);
    updates.run(tree);
    handle.wait();
    EXPECT_TRUE(same_values(stored(tree), expected));
    updates.wait();
    EXPECT_EQ(runtime.disorders(), std::vector<std::string>{});
  }

  const unsigned seed_ = lamina::test::fresh_seed();
  ::testing::ScopedTrace trace_{__FILE__, __LINE__, "seed " + std::to_string(seed_)};
  std::mt19937 random_{seed_};
  TemporaryDirectory directory_{memory_directory()};
  GatedStorage gate_;
  SaveQueue queue_{2};  // last: empties itself while the rest is there
};

constexpr std::size_t kBytes = 9'000 + 20'000 + 5 + 4'096;

TEST_F(DeviceAsync, ACopyOnTheDeviceLiftsTheFenceBeforeAnythingIsWritten) {
  const FakeGpu gpu({.seed = seed_});
  expect_early_fence(*gpu, SnapshotPolicy::kDevice, kBytes);
}

TEST_F(DeviceAsync, ACopyInHostMemoryLiftsTheFenceBeforeAnythingIsWritten) {
  const FakeGpu gpu({.seed = seed_});
  expect_early_fence(*gpu, SnapshotPolicy::kHost, 0);
}

TEST_F(DeviceAsync, TheAutomaticCopyIsOnTheDeviceWhereThatHasRoom) {
  const FakeGpu gpu({.seed = seed_, .memory = 3 * kBytes});
  expect_early_fence(*gpu, SnapshotPolicy::kAutomatic, kBytes);
}

TEST_F(DeviceAsync, TheAutomaticCopyIsInHostMemoryWhereTheDeviceHasNoRoom) {
  const FakeGpu gpu({.seed = seed_, .memory = kBytes * 3 / 2});
  expect_early_fence(*gpu, SnapshotPolicy::kAutomatic, 0);
}

TEST_F(DeviceAsync, TheAutomaticCopyLeavesAnEighthOfItselfToOthers) {
  const std::vector<std::int64_t> sizes{9'000, 20'000, 0, 5, 4'096};
  constexpr std::size_t kRoom = 9'216 + 20'224 + 0 + 256 + 4'096;  // up to CUDA's alignment
  std::size_t held = 0;
  {
    const FakeGpu gpu({.seed = seed_});
    const auto tree = tree_of(random_, sizes);
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
  SaveHandle handle(submit(tree, SnapshotPolicy::kDevice, gate_));
  try {
    handle.wait();
    ADD_FAILURE() << "was saved";
  } catch (const DeviceError& error) {
    EXPECT_TRUE(error.out_of_memory());
    EXPECT_THAT(error.what(), ::testing::HasSubstr((directory_ / "m.weights.h5").string()));
  }
  EXPECT_THAT(storage::posix().list(directory_.path()), ::testing::IsEmpty());
}

TEST_F(DeviceAsync, WithoutACopyTheFenceLastsNoLongerThanTheTransfer) {
  const FakeGpu gpu({.seed = seed_}, {2, 65'536});  // the ring takes it all
  expect_early_fence(*gpu, SnapshotPolicy::kNone, 0);
}

TEST_F(DeviceAsync, WithoutACopyTheFenceLastsUntilTheLastBytesAreInTheRing) {
  const FakeGpu gpu({.seed = seed_}, {2, 4'096});
  expect_late_fence(*gpu, SnapshotPolicy::kNone);
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
  SaveHandle handle(submit(tree, SnapshotPolicy::kAutomatic, gate_));
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
    SaveHandle first(submit(tree, policy, gate_, "a")), second(submit(other, policy, gate_, "b"));
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

TEST_F(DeviceAsync, ACancelledSaveLeavesNothing) {
  const FakeGpu gpu({.seed = seed_}, {2, 4'096});
  const auto tree = tree_of(random_, {9'000, 200'000});
  const std::size_t used = gpu->used();
  gate_.close_gate();
  SaveHandle handle(submit(tree, SnapshotPolicy::kNone, gate_));
  gate_.wait_for_writer();
  handle.cancel();
  gate_.open_gate();
  EXPECT_THROW(handle.wait(), CancelledError);
  EXPECT_THAT(storage::posix().list(directory_.path()), ::testing::IsEmpty());
  SaveHandle(submit(tree, SnapshotPolicy::kNone, gate_)).wait();
  EXPECT_TRUE(same_values(stored(tree), snapshot(tree)));
  EXPECT_EQ(gpu->used(), used);
  EXPECT_EQ(gpu->disorders(), std::vector<std::string>{});
}

/// LAMINA_ORDER_SEEDS asks for more than the everyday number.
std::uint64_t seeds() {
  const char* given = std::getenv("LAMINA_ORDER_SEEDS");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : 300;
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
    const FakeGpu gpu({.seed = seed_ + i, .memory = memory},
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
      handles.emplace_back(submit(tree, policy, storage::posix(), std::to_string(step)));
      handles.back().wait_until_copied();
      updates.run(tree);
    }
    for (SaveHandle& handle : handles) handle.wait();
    for (std::size_t step = 0; step < 2; ++step) {
      const Device place = scarce ? Device::cpu() : kGpu;
      ASSERT_TRUE(same_values(stored(tree, std::to_string(step), place), expected[step]));
    }
    updates.wait();
    ASSERT_TRUE(same_values(snapshot(tree), updates.expected()));
    ASSERT_EQ(gpu->disorders(), std::vector<std::string>{});
  }
}

TEST_F(DeviceAsync, TheCheckerSeesAnUpdateThatDoesNotWaitForTheFence) {
  const FakeGpu gpu({.seed = seed_}, {1, 4'096});
  const auto tree = tree_of(random_, {20'000});
  gate_.close_gate();
  SaveHandle handle(submit(tree, SnapshotPolicy::kNone, gate_));
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
