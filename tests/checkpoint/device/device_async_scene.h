// Saves in the background of trees on a device, whose values are then overwritten in place.
#pragma once
#include <gtest/gtest.h>
#include <lamina/save_handle.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "checkpoint/background/save_queue.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/save/save_job.h"
#include "tests/checkpoint/trees.h"
#include "tests/fakes/gated_storage.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/fakes/tested_gpu.h"
#include "tests/fresh_seed.h"

namespace lamina::testing {

/// Tensors of so many bytes each, on the device.
inline WeightTree tree_of(std::mt19937& random, const std::vector<std::int64_t>& sizes) {
  TreeBuilder builder;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const std::string name = "x_" + std::to_string(i);
    builder.layer("layers/" + name, name, {random_tensor(random, {sizes[i]}, DType::kUInt8)});
  }
  for (auto& node : builder.tree.nodes) {
    for (auto& [key, variable] : node.variables) variable->to(Device::cuda());
  }
  return std::move(builder.tree);
}

inline std::vector<Tensor> values_of(const WeightTree& tree) {
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
  Updates(runtime::Runtime& runtime, std::mt19937& random) : runtime_(runtime), random_(random) {}
  /// Returns at once; the new values are `expected()`.
  void run(const WeightTree& tree) {
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
      overwrite_on_device(Device::cuda(), static_cast<std::byte*>(value.raw()), *news, size);
      news_.push_back(std::move(news));
    }
  }
  /// The device has done all of them.
  void wait() {
    runtime::devices().get(Device::cuda())->with_stream([](auto& stream) { stream.synchronize(); });
    news_.clear();
  }
  [[nodiscard]] const std::vector<Tensor>& expected() const { return expected_; }

 private:
  runtime::Runtime& runtime_;
  std::mt19937& random_;
  std::vector<Tensor> expected_;
  std::vector<std::unique_ptr<runtime::PinnedMemory>> news_;
};

/// Of the tree of expect_early_fence.
inline std::vector<std::int64_t> fence_sizes() {
  return {9'000, 20'000, 0, 5, 4'096};
}
inline constexpr std::size_t kFenceBytes = 9'000 + 20'000 + 5 + 4'096;

class DeviceAsync : public ::testing::Test {
 protected:
  void SetUp() override { LAMINA_NEED_TESTED_GPU(); }
  ~DeviceAsync() override { gate_.open_gate(); }

  std::shared_ptr<checkpoint::SaveState> submit(const WeightTree& tree, SnapshotPolicy policy,
                                                storage::Storage& storage,
                                                const std::string& name = "m") {
    const auto path = directory_ / (name + ".weights.h5");
    const auto job = std::make_shared<checkpoint::SaveJob>(
        checkpoint::begin_save(checkpoint::TreePtr(checkpoint::TreePtr(), &tree), path, {}, storage)
            .value());
    job->snapshot = policy;
    const auto state = std::make_shared<checkpoint::SaveState>(path);
    queue_.submit(
        checkpoint::save_key(path, false), state,
        [job, &storage](checkpoint::SaveState& s) { checkpoint::run_save(*job, storage, s); });
    return state;
  }
  std::vector<Tensor> stored(const WeightTree& tree, const std::string& name = "m",
                             Device place = Device::cpu()) {
    const auto copy = poisoned_copy(tree, place);
    checkpoint::load(copy, directory_ / (name + ".weights.h5"), {});
    return snapshot(copy);
  }
  /// Saves behind a closed gate, updates in place as soon as the fence lifts, and opens the gate
  /// only then. Meanwhile the save holds so much more of a fake device's memory.
  void expect_early_fence(runtime::Runtime& runtime, SnapshotPolicy policy,
                          std::size_t more_memory) {
    const auto tree = tree_of(random_, fence_sizes());
    const auto expected = snapshot(tree);
    auto* const fake = as_fake(runtime);
    const std::size_t used = fake == nullptr ? 0 : fake->used();
    gate_.close_gate();
    SaveHandle handle = checkpoint::SaveState::handle(submit(tree, policy, gate_));
    handle.wait_until_copied();
    EXPECT_FALSE(handle.done());
    if (fake != nullptr) {
      EXPECT_GE(fake->used(), used + more_memory);
      EXPECT_LE(fake->used(), used + more_memory * 3 / 2);
    }
    Updates updates(runtime, random_);
    updates.run(tree);
    gate_.open_gate();
    handle.wait();
    EXPECT_TRUE(same_values(stored(tree), expected));
    if (fake != nullptr) {
      EXPECT_EQ(fake->used(), used);
    }
    updates.wait();
    EXPECT_TRUE(same_values(snapshot(tree), updates.expected()));
    expect_order(runtime);
  }
  /// Saves behind a closed gate, where the ring holds less than the values: the fence lasts.
  void expect_late_fence(runtime::Runtime& runtime, SnapshotPolicy policy) {
    const auto tree = tree_of(random_, {9'000, 20'000});
    const auto expected = snapshot(tree);
    gate_.close_gate();
    SaveHandle handle = checkpoint::SaveState::handle(submit(tree, policy, gate_));
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
    expect_order(runtime);
  }

  const unsigned seed_ = lamina::test::fresh_seed();
  ::testing::ScopedTrace trace_{__FILE__, __LINE__, "seed " + std::to_string(seed_)};
  std::mt19937 random_{seed_};
  TemporaryDirectory directory_{memory_directory()};
  GatedStorage gate_;
  checkpoint::SaveQueue queue_{2};  // last: empties itself while the rest is there
};

}  // namespace lamina::testing
