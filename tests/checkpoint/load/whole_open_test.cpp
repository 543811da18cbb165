// Checkpoints that are replaced while they are opened. Without seals nothing in the files says
// which save they are of.
#include "checkpoint/load/whole_open.h"

#include <gmock/gmock.h>
#include <lamina/error.h>

#include <atomic>
#include <functional>
#include <thread>

#include "tests/checkpoint/crash_scene.h"
#include "tests/fakes/passing_storage.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/fresh_seed.h"

namespace lamina::checkpoint {
namespace {

using lamina::testing::CrashScene;
using lamina::testing::memory_directory;
using lamina::testing::PassingStorage;
using lamina::testing::TemporaryDirectory;
using ::testing::AnyOf;

constexpr std::size_t kShards = 5;
constexpr double kLimit = 610;

/// Does something before a shard is opened, once.
class InterruptedStorage final : public PassingStorage {
 public:
  InterruptedStorage(std::size_t before, std::function<void()> action)
      : before_(before), action_(std::move(action)) {}

  std::unique_ptr<storage::ReadableFile> open(const Path& path) override {
    if (path.string().ends_with(".weights.h5") && opened_++ == before_) action_();
    return inner().open(path);
  }
  [[nodiscard]] std::size_t opened() const { return opened_; }

 private:
  std::size_t before_, opened_ = 0;
  std::function<void()> action_;
};

class WholeOpen : public ::testing::TestWithParam<bool> {
 protected:
  void save(std::size_t set) const { scene_.save(set, kLimit, storage::posix(), GetParam()); }

  const unsigned seed_ = lamina::test::fresh_seed();
  ::testing::ScopedTrace trace_{__FILE__, __LINE__, "seed " + std::to_string(seed_)};
  std::mt19937 random_{seed_};
  const TemporaryDirectory directory_{memory_directory()};
  const CrashScene scene_{random_, (directory_ / "m.weights.json").string(), 2};
};

TEST_P(WholeOpen, GivesUpWhereFilesAreNeverTheSame) {
  save(0);
  int opened = 0;
  EXPECT_THROW(open_whole(
                   directory_ / "m.weights.json", storage::posix(),
                   [&](const std::string&) { ++opened; }, [] { return true; }),
               StorageError);
  EXPECT_EQ(opened, 1000);
}

TEST_P(WholeOpen, OfACheckpointThatIsReplacedBetweenTwoShardsIsOfTheNewOne) {
  for (std::size_t before = 1; before < kShards; ++before) {
    SCOPED_TRACE(before);
    save(0);
    InterruptedStorage storage(before, [&] { save(1); });
    EXPECT_EQ(scene_.load(storage), 1);
    EXPECT_EQ(storage.opened(), 2 * kShards);
  }
}

TEST_P(WholeOpen, OfShardsThatAreWrittenInPlaceBeginsAgain) {
  save(1);
  std::vector<std::string> shards;
  for (const std::string& name : storage::posix().list(directory_.path())) {
    if (!name.ends_with(".h5")) continue;
    std::filesystem::copy_file(directory_ / name, directory_ / (name + ".new"));
    shards.push_back(name);
  }
  const std::filesystem::path index = scene_.path();
  std::filesystem::copy_file(index, index.string() + ".new");
  ASSERT_EQ(shards.size(), kShards);
  const auto copy_over = [](const std::filesystem::path& file) {
    std::filesystem::copy_file(file.string() + ".new", file,
                               std::filesystem::copy_options::overwrite_existing);
  };
  save(0);
  // Longer than the clock of the file system takes for a step.
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  InterruptedStorage storage(2, [&] {
    for (const std::string& shard : shards) copy_over(directory_ / shard);
    copy_over(index);
  });
  EXPECT_EQ(scene_.load(storage), 1);
  EXPECT_EQ(storage.opened(), 2 * kShards);
}

TEST_P(WholeOpen, OfFilesThatOnlyGetASecondNameHappensOnce) {
  save(0);
  InterruptedStorage storage(kShards - 1, [&] {
    EXPECT_TRUE(storage::posix().link(directory_ / "m_00000.weights.h5", directory_ / "second"));
  });
  EXPECT_EQ(scene_.load(storage), 0);
  EXPECT_EQ(storage.opened(), kShards);
}

TEST_P(WholeOpen, GivesOneOfTheTwoWhileAnotherThreadSaves) {
  save(0);
  std::atomic<std::size_t> saves = 0;
  const std::jthread writer([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) save(++saves % 2);
  });
  for (int loads = 0; (loads < 300 || saves <= 10) && !HasFailure(); ++loads)
    EXPECT_THAT(scene_.load(storage::posix()), AnyOf(0, 1));
}

INSTANTIATE_TEST_SUITE_P(Saves, WholeOpen, ::testing::Bool(), [](const auto& info) {
  return std::string(info.param ? "Sealed" : "Unsealed");
});

}  // namespace
}  // namespace lamina::checkpoint
