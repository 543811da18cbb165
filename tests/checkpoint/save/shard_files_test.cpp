#include "checkpoint/save/shard_files.h"

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <random>

#include "checkpoint/checkpoint.h"
#include "tests/checkpoint/trees.h"
#include "tests/fakes/passing_storage.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/fresh_seed.h"

namespace lamina::checkpoint {
namespace {

using namespace std::chrono_literals;

using lamina::testing::kGB;

/// Files whose sync ends when something was written to another file since it began, or after a
/// long while; says of how many it did.
class WaitingSyncs final : public lamina::testing::PassingStorage {
 public:
  std::unique_ptr<storage::WritableFile> create(const Path& p) override {
    return std::make_unique<File>(*this, inner().create(p));
  }
  [[nodiscard]] std::size_t met() const { return met_; }

 private:
  struct File final : storage::WritableFile {
    File(WaitingSyncs& owner, std::unique_ptr<storage::WritableFile> file)
        : owner(owner), inner(std::move(file)) {}
    const Path& path() const override { return inner->path(); }
    void resize(std::uint64_t size) override { inner->resize(size); }
    void write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
      inner->write_at(offset, bytes);
      const std::lock_guard lock(owner.mutex_);
      ++owner.writes_;
      ++writes;
      owner.changed_.notify_all();
    }
    void sync() override {
      {
        std::unique_lock lock(owner.mutex_);
        const std::size_t others = owner.writes_ - writes;
        if (owner.changed_.wait_for(lock, owner.patience_,
                                    [&] { return owner.writes_ - writes > others; })) {
          ++owner.met_;
        } else {
          owner.patience_ = 0s;
        }
      }
      inner->sync();
    }
    void close() override { inner->close(); }
    WaitingSyncs& owner;
    std::unique_ptr<storage::WritableFile> inner;
    std::size_t writes = 0;
  };

  std::mutex mutex_;
  std::condition_variable changed_;
  std::chrono::seconds patience_ = 20s;
  std::size_t writes_ = 0, met_ = 0;
};

TEST(ShardFiles, AreSyncedWhileTheNextOnesAreWritten) {
  const lamina::testing::TemporaryDirectory directory;
  std::mt19937 random(lamina::test::fresh_seed());
  lamina::testing::TreeBuilder builder;
  for (int i = 0; i < 4; ++i) {
    const std::string name = "x_" + std::to_string(i);
    builder.layer("layers/" + name, name,
                  {lamina::testing::random_tensor(random, {std::int64_t{2} << 20}, DType::kInt32)});
  }
  WaitingSyncs storage;
  SaveRequest request;
  request.max_shard_size = (std::size_t{9} << 20) / kGB;
  save(builder.tree, directory / "m.weights.json", request, storage);
  EXPECT_GE(storage.met(), 3U);  // the last shard has none behind it
  const auto copy = lamina::testing::poisoned_copy(builder.tree);
  load(copy, directory / "m.weights.json", {});
  EXPECT_TRUE(lamina::testing::same_values(lamina::testing::snapshot(copy),
                                           lamina::testing::snapshot(builder.tree)));
}

}  // namespace
}  // namespace lamina::checkpoint
