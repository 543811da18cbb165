#include "storage/posix_remove.h"

#include <gtest/gtest.h>
#include <lamina/error.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <thread>

#include "storage/storage.h"
#include "tests/fakes/open_resources.h"
#include "tests/fakes/passing_storage.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/storage/whole_files.h"

namespace lamina::storage {
namespace {

using lamina::testing::OpenResources;
using lamina::testing::TemporaryDirectory;
using testkit::random_bytes;

/// Removes no file, as where each is somebody else's.
class StickyStorage final : public lamina::testing::PassingStorage {
 public:
  void remove(const Path& path) override {
    throw StorageError("unlink failed for '" + path.string() + "': Operation not permitted", EPERM);
  }
};

TEST(RemoveAll, SaysWhyAFileCannotBeRemoved) {
  const TemporaryDirectory directory;
  std::filesystem::create_directory(directory / "d");
  posix().create(directory / "d" / "f")->close();
  StickyStorage sticky;
  try {
    remove_all(directory / "d", sticky);
    ADD_FAILURE() << "was removed";
  } catch (const StorageError& error) {
    EXPECT_EQ(error.code(), EPERM);
    EXPECT_NE(std::string(error.what()).find("'" + (directory / "d" / "f").string() + "'"),
              std::string::npos);
  }
  remove_all(directory / "d", posix());
  EXPECT_FALSE(posix().exists(directory / "d"));
}

TEST(PosixStorage, LargeFilesLoseTheirNamesAtOnceAndTheirSpaceSoon) {
  const TemporaryDirectory directory;
  (void)wait_for_freed_space();
  const std::size_t before = OpenResources::now().descriptors;
  for (int round = 0; round < 3; ++round) {
    const std::uint64_t freed = times_freed();
    for (const char* name : {"a", "b"}) {
      const auto file = posix().create(directory / name);
      file->resize(std::uint64_t{64} << 20);
      file->close();
      posix().remove(directory / name);
      EXPECT_FALSE(posix().exists(directory / name));
    }
    // Late enough, there is nothing left to wait for.
    EXPECT_TRUE(OpenResources::now().descriptors > before || times_freed() > freed);
    EXPECT_TRUE(wait_for_freed_space() || times_freed() > freed);
    EXPECT_FALSE(wait_for_freed_space());
    EXPECT_GT(times_freed(), freed);
    EXPECT_EQ(OpenResources::now().descriptors, before);
  }
  EXPECT_THROW(posix().remove(directory / "a"), FileNotFoundError);
}

TEST(PosixStorage, WhoWaitsForSpaceIsNotHeldUpByWhoRemovesMore) {
  const TemporaryDirectory directory;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  std::atomic<bool> enough = false;
  const std::jthread other([&] {
    while (!enough && std::chrono::steady_clock::now() < end) {
      posix().create(directory / "f")->close();
      std::filesystem::resize_file(directory / "f", std::uintmax_t{40} << 20);
      posix().remove(directory / "f");
    }
  });
  int waited = 0;
  while (waited < 100 && std::chrono::steady_clock::now() < end) waited += wait_for_freed_space();
  enough = true;
  EXPECT_EQ(waited, 100);
}

TEST(PosixStorage, RemovingOneNameOfALargeFileLeavesTheOther) {
  (void)wait_for_freed_space();
  const TemporaryDirectory directory;
  const auto bytes = random_bytes(1000);
  {
    const auto file = posix().create(directory / "f");
    file->resize(std::uint64_t{64} << 20);
    file->write_at(0, bytes);
  }
  ASSERT_TRUE(posix().link(directory / "f", directory / "other"));
  posix().remove(directory / "f");
  EXPECT_FALSE(wait_for_freed_space());
  std::vector<std::byte> read(bytes.size());
  posix().open(directory / "other")->read_at(0, read);
  EXPECT_EQ(read, bytes);
}

}  // namespace
}  // namespace lamina::storage
