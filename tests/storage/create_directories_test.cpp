#include <gtest/gtest.h>
#include <lamina/error.h>

#include <set>

#include "storage/storage.h"
#include "tests/fakes/faulty_storage.h"
#include "tests/fakes/passing_storage.h"
#include "tests/fakes/temporary_directory.h"

namespace lamina::storage {
namespace {

using lamina::testing::TemporaryDirectory;

/// Knows the directories that a power cut may take.
class DirectoriesNotSynced final : public lamina::testing::PassingStorage {
 public:
  using PassingStorage::PassingStorage;
  void create_directory(const Path& path) override {
    inner().create_directory(path);
    all.insert(path);
  }
  void remove_directory(const Path& path) override {
    inner().remove_directory(path);
    all.erase(path);
  }
  void sync_directory(const Path& directory) override {
    inner().sync_directory(directory);
    std::erase_if(all, [&](const Path& path) { return path.parent_path() == directory; });
  }

  std::set<Path> all;
};

TEST(CreateDirectories, MakesThemDurableThoughACallBeforeFailed) {
  const TemporaryDirectory directory;
  lamina::testing::FaultyStorage faulty;
  bool failed = true;
  for (std::size_t n = 0; failed; ++n) {
    SCOPED_TRACE(n);
    DirectoriesNotSynced storage(faulty);
    faulty.fail_at(n);
    failed = false;
    try {
      create_directories(directory / "a" / "b", storage);
    } catch (const StorageError&) {
      failed = true;
    }
    faulty.fail_never();
    create_directories(directory / "a" / "b", storage);
    EXPECT_TRUE(std::filesystem::is_directory(directory / "a" / "b"));
    EXPECT_TRUE(storage.all.empty());
    remove_all(directory / "a", posix());
  }
  EXPECT_GT(faulty.faults(), 5U);
}

}  // namespace
}  // namespace lamina::storage
