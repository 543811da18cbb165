#include "storage/posix_lock.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <lamina/error.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "storage/posix_call.h"
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

}  // namespace
}  // namespace lamina::storage
