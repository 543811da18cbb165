// Two calls of the storage are under way at a time, whether values lie in host memory or on a
// device: the first large one is held until another has come.
#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "checkpoint/checkpoint.h"
#include "tests/checkpoint/trees.h"
#include "tests/fakes/fake_gpu.h"
#include "tests/fakes/passing_storage.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/fresh_seed.h"

namespace lamina::checkpoint {
namespace {

using namespace lamina::testing;  // NOLINT

constexpr std::size_t kMiB = std::size_t{1} << 20;
constexpr std::size_t kLarge = kMiB / 2;  // beyond what is written or read of metadata

/// Where calls of one kind wait for each other, the first time two of them meet.
class Meeting {
 public:
  /// Returns at once where the call is a small one; else when two have met, or nobody came.
  void enter(std::size_t size) {
    if (size < kLarge) return;
    std::unique_lock lock(mutex_);
    ++calls_;
    most_ = std::max(most_, ++inside_);
    changed_.notify_all();
    const auto met = [&] { return most_ > 1 || given_up_; };
    if (!changed_.wait_for(lock, std::chrono::seconds(20), met)) given_up_ = true;
    changed_.notify_all();
  }
  void leave(std::size_t size) {
    if (size < kLarge) return;
    const std::lock_guard lock(mutex_);
    --inside_;
  }
  [[nodiscard]] std::size_t calls() const { return calls_; }
  [[nodiscard]] std::size_t most_at_a_time() const { return most_; }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t calls_ = 0, inside_ = 0, most_ = 0;
  bool given_up_ = false;
};

/// A call between the two.
class Attendance {
 public:
  Attendance(Meeting& meeting, std::size_t size) : meeting_(meeting), size_(size) {
    meeting_.enter(size_);
  }
  ~Attendance() { meeting_.leave(size_); }
  Attendance(const Attendance&) = delete;
  Attendance& operator=(const Attendance&) = delete;

 private:
  Meeting& meeting_;
  std::size_t size_;
};

class MeetingStorage final : public PassingStorage {
 public:
  std::unique_ptr<storage::ReadableFile> open(const Path& p) override {
    return std::make_unique<Read>(reads, inner().open(p));
  }
  std::unique_ptr<storage::WritableFile> create(const Path& p) override {
    return std::make_unique<Written>(writes, inner().create(p));
  }

  Meeting reads, writes;

 private:
  struct Read final : storage::ReadableFile {
    Read(Meeting& meeting, std::unique_ptr<storage::ReadableFile> file)
        : meeting(meeting), inner(std::move(file)) {}
    [[nodiscard]] const Path& path() const override { return inner->path(); }
    [[nodiscard]] std::uint64_t size() const override { return inner->size(); }
    [[nodiscard]] bool is_replaced() const override { return inner->is_replaced(); }
    void read_at(std::uint64_t offset, std::span<std::byte> out) const override {
      const Attendance attendance(meeting, out.size());
      inner->read_at(offset, out);
    }
    void read_and_show(std::uint64_t offset, std::span<std::byte> out,
                       const Seen& seen) const override {
      const Attendance attendance(meeting, out.size());
      inner->read_and_show(offset, out, seen);
    }
    Meeting& meeting;
    std::unique_ptr<storage::ReadableFile> inner;
  };
  struct Written final : storage::WritableFile {
    Written(Meeting& meeting, std::unique_ptr<storage::WritableFile> file)
        : meeting(meeting), inner(std::move(file)) {}
    [[nodiscard]] const Path& path() const override { return inner->path(); }
    void resize(std::uint64_t size) override { inner->resize(size); }
    void write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
      const Attendance attendance(meeting, bytes.size());
      inner->write_at(offset, bytes);
    }
    void sync() override { inner->sync(); }
    void close() override { inner->close(); }
    Meeting& meeting;
    std::unique_ptr<storage::WritableFile> inner;
  };
};

struct Way {
  const char* name;
  bool sharded, on_device;
};

class InFlight : public ::testing::TestWithParam<Way> {};

INSTANTIATE_TEST_SUITE_P(Each, InFlight,
                         ::testing::Values(Way{"Single", false, false}, Way{"Sharded", true, false},
                                           Way{"SingleOnDevice", false, true},
                                           Way{"ShardedOnDevice", true, true}),
                         [](const auto& tested) { return std::string(tested.param.name); });

TEST_P(InFlight, AreTwoWritesAtATimeAndTwoReads) {
  const unsigned seed = lamina::test::fresh_seed();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  const FakeGpu gpu({.seed = seed}, {2, kMiB});
  TreeBuilder builder;
  for (const char* name : {"a", "b", "c", "d"}) {
    Tensor value = Tensor::empty({static_cast<std::int64_t>(6 * kMiB)}, DType::kUInt8);
    const std::span<std::byte> bytes = value.bytes();
    for (std::size_t at = 0; at < bytes.size(); at += 61)
      bytes[at] = static_cast<std::byte>(random());
    builder.layer(std::string("layers/") + name, name, {value});
    if (GetParam().on_device) builder.tree.nodes.back().variables[0].variable->to(Device::cuda(0));
  }
  const TemporaryDirectory directory(memory_directory());
  const auto path = directory / (GetParam().sharded ? "m.weights.json" : "m.weights.h5");
  SaveRequest request;
  if (GetParam().sharded) request.max_shard_size = 7.0 / 1024;

  MeetingStorage storage;
  save(builder.tree, path, request, storage);
  EXPECT_GE(storage.writes.calls(), 4U);
  EXPECT_GE(storage.writes.most_at_a_time(), 2U) << "no second write came within 20 s";

  const auto copy = poisoned_copy(builder.tree);
  load(copy, path, {}, storage);
  EXPECT_GE(storage.reads.calls(), 4U);
  EXPECT_GE(storage.reads.most_at_a_time(), 2U) << "no second read came within 20 s";
  EXPECT_TRUE(same_values(snapshot(copy), snapshot(builder.tree)));
  EXPECT_EQ(gpu->disorders(), std::vector<std::string>{});
}

}  // namespace
}  // namespace lamina::checkpoint
