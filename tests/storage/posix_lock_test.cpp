#include "storage/posix_lock.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <lamina/error.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <thread>
#include <vector>

#include "storage/posix_call.h"
#include "storage/storage.h"
#include "tests/fakes/nobody.h"
#include "tests/fakes/temporary_directory.h"

namespace lamina::storage {
namespace {

using lamina::testing::Nobody;
using lamina::testing::TemporaryDirectory;
using ::testing::HasSubstr;

TEST(PosixLock, WhoseFileMayNotBeOpenedSaysThat) {
  const TemporaryDirectory directory;
  std::filesystem::permissions(directory.path(), std::filesystem::perms::all);
  const Path path = directory / "l";
  const Descriptor made(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0));
  ASSERT_TRUE(static_cast<bool>(made));
  const Nobody nobody;
  if (::geteuid() == 0) GTEST_SKIP() << "root may do anything, and must stay root here";
  try {
    (void)try_posix_lock(path);
    ADD_FAILURE() << "was locked";
  } catch (const StorageError& error) {
    EXPECT_EQ(error.code(), EACCES);
    EXPECT_THAT(error.what(), HasSubstr(path.string()));
    EXPECT_THAT(error.what(), HasSubstr("Permission denied"));
  }
}

TEST(PosixLock, ADirectoryInItsPlaceIsReported) {
  const TemporaryDirectory directory;
  std::filesystem::create_directory(directory / "l");
  try {
    (void)try_posix_lock(directory / "l");
    ADD_FAILURE() << "was locked";
  } catch (const StorageError& error) {
    EXPECT_EQ(error.code(), EISDIR);
  }
}

TEST(PosixStorage, ALockHasOneHolderAndLeavesNoFile) {
  const TemporaryDirectory directory;
  auto held = posix().try_lock(directory / "l");
  ASSERT_TRUE(held && held->exclusive());
  EXPECT_FALSE(posix().try_lock(directory / "l"));
  std::thread([&] { EXPECT_FALSE(posix().try_lock(directory / "l")); }).join();
  EXPECT_TRUE(posix().try_lock(directory / "another"));
  held.reset();
  EXPECT_TRUE(posix().list(directory.path()).empty());
  EXPECT_TRUE(posix().try_lock(directory / "l"));
  // What a killed holder leaves is nobody's.
  posix().create(directory / "l")->close();
  EXPECT_TRUE(posix().try_lock(directory / "l"));
  EXPECT_TRUE(posix().list(directory.path()).empty());
}

TEST(PosixStorage, ALockIsHeldByOneOfManyThreads) {
  const TemporaryDirectory directory;
  std::atomic<int> holders = 0, most = 0, turns = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int done = 0; done < 200;) {
          const auto lock = posix().try_lock(directory / "l");
          if (!lock) continue;
          most = std::max<int>(most, ++holders);
          ++done, ++turns;
          --holders;
        }
      });
    }
  }
  EXPECT_EQ(most, 1);
  EXPECT_EQ(turns, 800);
}

TEST(PosixStorage, ALockFollowsNoLink) {
  const TemporaryDirectory directory;
  std::filesystem::create_symlink(directory / "elsewhere", directory / "l");
  EXPECT_THROW((void)posix().try_lock(directory / "l"), StorageError);
  EXPECT_FALSE(posix().exists(directory / "elsewhere"));
}

}  // namespace
}  // namespace lamina::storage
