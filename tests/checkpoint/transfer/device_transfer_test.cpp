#include "checkpoint/transfer/device_transfer.h"

#include <gtest/gtest.h>
#include <lamina/error.h>

#include <atomic>
#include <cstdlib>

#include "runtime/host/host_runtime.h"
#include "tests/checkpoint/transfer/device_trees.h"
#include "tests/fakes/fake_runtime.h"
#include "tests/fresh_seed.h"

namespace lamina::checkpoint {
namespace {

using lamina::testing::DeviceTree;
using lamina::testing::FakeRuntime;
using runtime::PinnedRing;

ByteProgress no_progress() {
  static const ByteProgress::Callback kNone;
  return {kNone, 0};
}

void write(DeviceTree& tree, PinnedRing& ring, const DeviceTransferOptions& options = {}) {
  ByteProgress progress = no_progress();
  write_from_device(tree.writes(), ring, progress, options);
}

void read(DeviceTree& tree, PinnedRing& ring, const DeviceTransferOptions& options = {}) {
  ByteProgress progress = no_progress();
  read_to_device(tree.reads(), ring, progress, options);
}

/// LAMINA_ORDER_SEEDS asks for more than the everyday number.
std::uint64_t seeds() {
  const char* given = std::getenv("LAMINA_ORDER_SEEDS");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : 2000;
}

TEST(DeviceTransfer, KeepsValuesAndOrderUnderEverySeed) {
  const std::uint64_t first = lamina::test::fresh_seed();
  SCOPED_TRACE(first);
  for (std::uint64_t i = 0; i < seeds(); ++i) {
    std::mt19937_64 random(first + i);
    FakeRuntime runtime({.seed = first + i});
    {
      PinnedRing ring(runtime, {1 + random() % 3, 4096 * (1 + random() % 3)});
      DeviceTree tree(runtime, random, random() % 12, 20'000);
      if (i % 2 == 0) {
        tree.upload();
        write(tree, ring);
        ASSERT_TRUE(tree.files_hold_values()) << i;
      } else {
        tree.prepare_load();
        read(tree, ring);
        ASSERT_TRUE(tree.device_holds_values()) << i;
      }
    }
    ASSERT_EQ(runtime.disorders(), std::vector<std::string>{}) << i;
    ASSERT_EQ(runtime.live(), 0) << i;
  }
}

TEST(DeviceTransfer, WorksOnTheHostsThreadsToo) {
  const std::uint64_t seed = lamina::test::fresh_seed();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  runtime::HostRuntime runtime;
  PinnedRing ring(runtime, {2, 64 << 10});
  for (int i = 0; i < 15; ++i) {
    DeviceTree tree(runtime, random, 60, 300'000);
    tree.upload();
    write(tree, ring);
    ASSERT_TRUE(tree.files_hold_values());
    tree.prepare_load();
    read(tree, ring);
    ASSERT_TRUE(tree.device_holds_values());
  }
}

TEST(DeviceTransfer, GathersSmallTensorsIntoFewWrites) {
  FakeRuntime runtime;
  PinnedRing ring(runtime, {2, 64 << 10});
  lamina::testing::MemoryImage file("file", 1000 * 100);
  const auto memory = runtime.allocate(1000 * 100);
  std::vector<DeviceWrite> extents;
  for (std::size_t i = 0; i < 1000; ++i) {
    extents.push_back({&file, i * 100, memory->address() + i * 100, 100});
  }
  ByteProgress progress = no_progress();
  write_from_device(extents, ring, progress);
  EXPECT_EQ(file.calls, 2U);  // as many as slots were filled
}

TEST(DeviceTransfer, NeedsNoMoreMemoryThanTheRing) {
  FakeRuntime runtime;
  std::mt19937_64 random(7);
  PinnedRing ring(runtime, {2, 8192});
  DeviceTree tree(runtime, random, 3, 4'000'000);
  tree.prepare_load();
  const std::size_t before = runtime.peak_pinned();
  EXPECT_EQ(before, 2U * 8192U);
  for (int i = 0; i < 3; ++i) read(tree, ring);
  tree.fresh_files();
  write(tree, ring);
  EXPECT_EQ(runtime.peak_pinned(), before);
}

TEST(DeviceTransfer, WaitsOnTheDeviceForWhatMadeTheWeights) {
  FakeRuntime runtime;
  PinnedRing ring(runtime, {2, 4096});
  lamina::testing::MemoryImage file("file", 100);
  const auto memory = runtime.allocate(100);
  const auto source = runtime.allocate_pinned(100);
  std::fill_n(source->write(0, 100).bytes().data(), 100, std::byte{9});
  const auto compute = runtime.make_stream();
  const auto ready = runtime.make_event();
  compute->call([] { std::this_thread::sleep_for(std::chrono::milliseconds(5)); });
  compute->copy(std::vector<runtime::Copy>{{memory->address(), source->address(), 100}});
  compute->record(*ready);
  const runtime::Event* after[] = {ready.get()};
  ByteProgress progress = no_progress();
  write_from_device(std::vector<DeviceWrite>{{&file, 0, memory->address(), 100}}, ring, progress,
                    {.after = after});
  EXPECT_EQ(file.bytes, std::vector<std::byte>(100, std::byte{9}));
  compute->synchronize();
  EXPECT_EQ(runtime.disorders(), std::vector<std::string>{});
}

TEST(DeviceTransfer, TheCheckerSeesWeightsThatChangeTooEarly) {
  FakeRuntime runtime;
  PinnedRing ring(runtime, {2, 4096});
  lamina::testing::MemoryImage file("file", 100);
  const auto memory = runtime.allocate(100);
  const auto source = runtime.allocate_pinned(100);
  std::fill_n(source->write(0, 100).bytes().data(), 100, std::byte{9});
  const auto compute = runtime.make_stream();
  compute->copy(std::vector<runtime::Copy>{{memory->address(), source->address(), 100}});
  ByteProgress progress = no_progress();  // the planted mistake: `after` says nothing of `compute`
  write_from_device(std::vector<DeviceWrite>{{&file, 0, memory->address(), 100}}, ring, progress);
  compute->synchronize();
  EXPECT_EQ(runtime.disorders().size(), 1U);
}

TEST(DeviceTransfer, AnnouncesThatTheWeightsMayChangeOnceTheyWereCopied) {
  FakeRuntime runtime;
  std::mt19937_64 random(3);
  PinnedRing ring(runtime, {2, 4096});
  DeviceTree tree(runtime, random, 20, 20'000);
  tree.upload();
  int calls = 0;
  // New values as soon as that is allowed; the checker, and the files, tell when it was not.
  write(tree, ring, {.copied = [&] {
          ++calls;
          const auto stream = runtime.make_stream();
          const auto noise = runtime.allocate_pinned(20'000);
          for (const DeviceWrite& extent : tree.writes()) {
            stream->copy(std::vector<runtime::Copy>{
                {const_cast<std::byte*>(extent.from), noise->address(), extent.size}});
          }
          stream->synchronize();
        }});
  EXPECT_EQ(calls, 1);
  EXPECT_TRUE(tree.files_hold_values());
  EXPECT_EQ(runtime.disorders(), std::vector<std::string>{});
}

TEST(DeviceTransfer, TwoAtATimeShareARing) {
  FakeRuntime runtime({.seed = 5});
  PinnedRing ring(runtime, {2, 4096});
  std::mt19937_64 random(lamina::test::fresh_seed());
  DeviceTree first(runtime, random, 30, 30'000), second(runtime, random, 30, 30'000);
  first.upload();
  second.prepare_load();
  {
    const std::jthread other([&] { write(first, ring); });
    read(second, ring);
  }
  EXPECT_TRUE(first.files_hold_values());
  EXPECT_TRUE(second.device_holds_values());
}

TEST(DeviceTransfer, CountsTheBytes) {
  FakeRuntime runtime;
  std::mt19937_64 random(11);
  PinnedRing ring(runtime, {2, 4096});
  DeviceTree tree(runtime, random, 20, 20'000);
  tree.upload();
  std::uint64_t last = 0;
  const ByteProgress::Callback callback = [&](std::uint64_t done, std::uint64_t) { last = done; };
  ByteProgress progress(callback, tree.bytes());
  write_from_device(tree.writes(), ring, progress);
  EXPECT_EQ(last, tree.bytes());
}

TEST(DeviceTransfer, StopsWhenItIsCalledOff) {
  FakeRuntime runtime;
  std::mt19937_64 random(12);
  {
    PinnedRing ring(runtime, {2, 4096});
    DeviceTree tree(runtime, random, 20, 50'000);
    tree.upload();
    std::stop_source stop;
    const ByteProgress::Callback callback = [&](std::uint64_t done, std::uint64_t) {
      if (done > 10'000) stop.request_stop();
    };
    ByteProgress progress(callback, tree.bytes());
    EXPECT_THROW(write_from_device(tree.writes(), ring, progress, {.stop = stop.get_token()}),
                 CancelledError);
    EXPECT_FALSE(tree.files_hold_values());
    EXPECT_THROW(read(tree, ring, {.stop = stop.get_token()}), CancelledError);
    tree.fresh_files();
    write(tree, ring);
    EXPECT_TRUE(tree.files_hold_values());
  }
  EXPECT_EQ(runtime.disorders(), std::vector<std::string>{});
  EXPECT_EQ(runtime.live(), 0);
}

TEST(PinnedRing, RefusesToBeNothing) {
  FakeRuntime runtime;
  EXPECT_THROW(PinnedRing(runtime, {0, 4096}), ValueError);
  EXPECT_THROW(PinnedRing(runtime, {2, 0}), ValueError);
}

TEST(PinnedRing, MakesWaitWhoFindsNoSlot) {
  FakeRuntime runtime;
  PinnedRing ring(runtime, {1, 100});
  EXPECT_EQ(ring.slot_bytes(), 4096U);
  auto lease = ring.take({});
  std::atomic<bool> taken = false;
  const std::jthread other([&](const std::stop_token& stop) {
    const auto second = ring.take(stop);
    taken = static_cast<bool>(second);
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_FALSE(taken);
  { const auto gone = std::move(lease); }
  while (!taken) std::this_thread::yield();
}

}  // namespace
}  // namespace lamina::checkpoint
