// In virtual time, so that the figures are exact on any machine.
#include <gtest/gtest.h>

#include "checkpoint/transfer/device_transfer.h"
#include "tests/checkpoint/transfer/device_trees.h"
#include "tests/fakes/fake_runtime.h"
#include "tests/fakes/throttled_storage.h"
#include "tests/fresh_seed.h"

namespace lamina::checkpoint {
namespace {

using runtime::PinnedRing;
using namespace lamina::testing;  // NOLINT

constexpr std::size_t kSlot = 4096, kFiles = 5, kFileSlots = 8;
constexpr double kStorageSpeed = 1e6;

/// d/s; and whether it loads. One thread at the files: several do not race in virtual time.
class Overlap : public ::testing::TestWithParam<std::tuple<double, bool>> {
 protected:
  Overlap() {
    for (std::size_t i = 0; i < kFiles; ++i) {
      images_.push_back(
          std::make_unique<MemoryImage>("file" + std::to_string(i), kFileSlots * kSlot));
      memory_.push_back(runtime_.allocate(kFileSlots * kSlot));
      writable_.push_back(std::make_unique<ThrottledWritableFile>(*images_[i], disk_));
      readable_.push_back(std::make_unique<ThrottledReadableFile>(*images_[i], disk_));
    }
  }
  /// Runs it on a thread of its own, whose time starts at 0; returns when it ended.
  double run(bool loads) {
    std::jthread([&] {
      const ByteProgress::Callback none;
      ByteProgress progress(none, 0);
      const DeviceTransferOptions options{.timeline = &timeline_, .threads = 1};
      if (loads) {
        std::vector<DeviceRead> extents;
        for (std::size_t i = 0; i < kFiles; ++i)
          extents.push_back({readable_[i].get(), 0, memory_[i]->address(), kFileSlots * kSlot});
        read_to_device(extents, ring_, progress, options);
      } else {
        std::vector<DeviceWrite> extents;
        for (std::size_t i = 0; i < kFiles; ++i)
          extents.push_back({writable_[i].get(), 0, memory_[i]->address(), kFileSlots * kSlot});
        write_from_device(extents, ring_, progress, options);
      }
    }).join();
    double end = 0;
    for (const TimelineSpan& span : timeline_.spans()) end = std::max(end, span.end);
    return end;
  }

  double copy_speed_ = kStorageSpeed * std::get<0>(GetParam());
  VirtualClock clock_;
  ThrottledDisk disk_{clock_, kStorageSpeed};
  FakeRuntime runtime_{
      {.seed = lamina::test::fresh_seed(), .bytes_per_second = copy_speed_, .clock = &clock_}};
  PinnedRing ring_{runtime_, {2, kSlot}};
  Timeline timeline_{[this] { return clock_.now(); }};
  std::vector<std::unique_ptr<MemoryImage>> images_;
  std::vector<std::unique_ptr<runtime::DeviceMemory>> memory_;
  std::vector<std::unique_ptr<ThrottledWritableFile>> writable_;
  std::vector<std::unique_ptr<ThrottledReadableFile>> readable_;
};

TEST_P(Overlap, TakesLittleMoreThanTheSlowerLane) {
  const double slower = std::min(copy_speed_, kStorageSpeed);
  const double floor = kFiles * kFileSlots * kSlot / slower;
  const double slot = kSlot / slower;
  const double total = run(std::get<1>(GetParam()));
  RecordProperty("ratio_to_slower_lane", std::to_string(total / floor));
  EXPECT_LE(total, 1.05 * floor + slot) << "ratio " << total / floor;
  EXPECT_GE(total, floor * (1 - 1e-9));
}

TEST_P(Overlap, ShowsAFileAtTheDiskWhileTheNextOneIsCopied) {
  const bool loads = std::get<1>(GetParam());
  run(loads);
  const double copy_time = kSlot / copy_speed_;
  std::size_t spans = 0;
  std::vector<bool> met(kFiles - 1);
  const auto all = timeline_.spans();
  for (const TimelineSpan& disk : all) {
    spans += disk.lane == TimelineSpan::Lane::kStorage ? 1 : 0;
    if (disk.lane != TimelineSpan::Lane::kStorage) continue;
    for (const TimelineSpan& copy : all) {
      if (copy.lane != TimelineSpan::Lane::kCopy) continue;
      const double start = copy.end - copy_time;  // without the wait for the slot
      const bool together = start < disk.end - 1e-12 && disk.start < copy.end - 1e-12;
      const std::size_t earlier = loads ? copy.file : disk.file;
      const std::size_t later = loads ? disk.file : copy.file;
      if (together && later == earlier + 1) met[earlier] = true;
    }
  }
  EXPECT_EQ(spans, kFiles * kFileSlots);
  EXPECT_EQ(met, std::vector<bool>(kFiles - 1, true));
}

INSTANTIATE_TEST_SUITE_P(Each, Overlap,
                         ::testing::Combine(::testing::Values(0.25, 1.0, 4.0), ::testing::Bool()));

}  // namespace
}  // namespace lamina::checkpoint
