// Whole saves and loads of a tree on a device, in virtual time: exact on any machine.
#include <gtest/gtest.h>

#include "checkpoint/checkpoint.h"
#include "checkpoint/transfer/timeline.h"
#include "tests/checkpoint/trees.h"
#include "tests/fakes/fake_gpu.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/fakes/throttled_storage.h"
#include "tests/fresh_seed.h"

namespace lamina::checkpoint {
namespace {

using namespace lamina::testing;  // NOLINT

// Large enough that the files' metadata, which takes its time too, is a small part of them.
constexpr std::size_t kSlot = std::size_t{512} << 10, kShards = 5, kShardSlots = 8;
constexpr double kStorageSpeed = 1e6;

/// d/s; and whether it loads. One thread at the files: several do not race in virtual time.
class DeviceOverlap : public ::testing::TestWithParam<std::tuple<double, bool>> {
 protected:
  DeviceOverlap() {
    for (std::size_t i = 0; i < kShards; ++i) {
      const std::string name = "x_" + std::to_string(i);
      builder_.layer("layers/" + name, name,
                     {random_tensor(random_, {kShardSlots * kSlot}, DType::kUInt8)});
      builder_.tree.nodes.back().variables[0].variable->to(Device::cuda(0));
    }
  }
  /// A save in shards, or a load of one, on a thread of its own, whose time starts when everything
  /// before is over; returns how long it took.
  double run() {
    const bool loads = std::get<1>(GetParam());
    if (loads) save(timeline_before_);
    const auto expected = snapshot(builder_.tree);
    const auto copy = poisoned_copy(builder_.tree);
    const double start = clock_.now();
    clock_.start_at(start);
    std::jthread([&] {
      if (loads) {
        LoadRequest request;
        request.travel = {&timeline_, 1};
        load(copy, path_, request, storage_);
      } else {
        save(timeline_);
      }
    }).join();
    if (!loads) load(copy, path_, {});
    EXPECT_TRUE(same_values(snapshot(copy), expected));
    double end = start;
    for (const TimelineSpan& span : timeline_.spans()) end = std::max(end, span.end);
    return end - start;
  }
  void save(Timeline& timeline) {
    SaveRequest request;
    request.max_shard_size = kShardSlots * kSlot / static_cast<double>(1U << 30);
    request.travel = {&timeline, 1};
    lamina::checkpoint::save(builder_.tree, path_, request, storage_);
  }

  const unsigned seed_ = lamina::test::fresh_seed();
  ::testing::ScopedTrace trace_{__FILE__, __LINE__, "seed " + std::to_string(seed_)};
  std::mt19937 random_{seed_};
  double copy_speed_ = kStorageSpeed * std::get<0>(GetParam());
  VirtualClock clock_;
  ThrottledDisk disk_{clock_, kStorageSpeed};
  ThrottledStorage storage_{disk_};
  FakeGpu gpu_{{.seed = seed_, .bytes_per_second = copy_speed_, .clock = &clock_}, {2, kSlot}};
  Timeline timeline_{[this] { return clock_.now(); }};
  Timeline timeline_before_{[this] { return clock_.now(); }};
  TemporaryDirectory directory_{memory_directory()};
  const std::filesystem::path path_ = directory_ / "m.weights.json";
  TreeBuilder builder_;
};

TEST_P(DeviceOverlap, TakesLittleMoreThanTheSlowerLane) {
  const double slower = std::min(copy_speed_, kStorageSpeed);
  const double floor = kShards * kShardSlots * kSlot / slower;
  const double total = run();
  RecordProperty("ratio_to_slower_lane", std::to_string(total / floor));
  EXPECT_LE(total, 1.05 * floor + kSlot / slower) << "ratio " << total / floor;
  EXPECT_GE(total, floor * (1 - 1e-9));
}

TEST_P(DeviceOverlap, ShowsAShardAtTheDiskWhileTheNextOneIsCopied) {
  const bool loads = std::get<1>(GetParam());
  run();
  std::vector<bool> met(kShards - 1);
  const auto all = timeline_.spans();
  for (const TimelineSpan& disk : all) {
    if (disk.lane != TimelineSpan::Lane::kStorage) continue;
    for (const TimelineSpan& copy : all) {
      if (copy.lane != TimelineSpan::Lane::kCopy) continue;
      const double start = copy.end - kSlot / copy_speed_;  // without the wait for the slot
      const bool together = start < disk.end - 1e-12 && disk.start < copy.end - 1e-12;
      const std::size_t earlier = loads ? copy.file : disk.file;
      const std::size_t later = loads ? disk.file : copy.file;
      if (together && later == earlier + 1) met[earlier] = true;
    }
  }
  EXPECT_EQ(met, std::vector<bool>(kShards - 1, true));
}

INSTANTIATE_TEST_SUITE_P(Each, DeviceOverlap,
                         ::testing::Combine(::testing::Values(0.25, 1.0, 4.0), ::testing::Bool()));

}  // namespace
}  // namespace lamina::checkpoint
