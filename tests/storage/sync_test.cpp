// Which directories are synced so that a new one outlives a crash, and what becomes of a sync that
// fails. This program's own fsync stands before the C library's.
#include <gmock/gmock.h>
#include <lamina/error.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <string>
#include <vector>

#include "storage/storage.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/fakes/working_directory.h"

namespace {

/// Notes what is synced while it lives. One thread's.
class SyncedPaths {
 public:
  SyncedPaths() { all_ = &paths; }
  ~SyncedPaths() { all_ = nullptr; }
  SyncedPaths(const SyncedPaths&) = delete;
  SyncedPaths& operator=(const SyncedPaths&) = delete;

  static void note(int fd) {
    if (all_ == nullptr) return;
    all_->push_back(std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(fd)));
  }
  std::vector<std::filesystem::path> paths;

 private:
  static inline std::vector<std::filesystem::path>* all_ = nullptr;
};

/// The error of each call of fsync, but for 0; and how many have failed.
std::atomic<int> syncing_fails_with = 0, failed_syncs = 0;

}  // namespace

extern "C" {
__attribute__((visibility("default"))) int fsync(int fd) {
  SyncedPaths::note(fd);
  if (syncing_fails_with != 0) {
    ++failed_syncs;
    errno = syncing_fails_with;
    return -1;
  }
  return static_cast<int>(::syscall(SYS_fsync, fd));
}
}

namespace lamina::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class SyncParents : public ::testing::Test {
 protected:
  lamina::testing::TemporaryDirectory directory_;
};

TEST_F(SyncParents, SyncsEachOnce) {
  const auto synced = [](const Path& directory) {
    SyncedPaths seen;
    posix().sync_parents(directory);
    return seen.paths;
  };
  const Path top = std::filesystem::canonical(directory_.path());
  std::filesystem::create_directories(top / "a" / "b");
  std::vector<Path> expected{top / "a"};
  struct stat status {
  }, parent{};
  for (Path at = top;; at = at.parent_path()) {
    ASSERT_EQ(::stat(at.c_str(), &status), 0);
    ASSERT_EQ(::stat((at / "..").c_str(), &parent), 0);
    expected.push_back(at);
    if (at == at.root_path() || parent.st_dev != status.st_dev) break;
  }
  // A child knows nothing of what was synced before; here that may hold for all above `top`.
  const pid_t child = ::fork();
  if (child == 0) ::_exit(synced(top / "a" / "b") == expected ? 0 : 1);
  int child_status = -1;
  ASSERT_EQ(::waitpid(child, &child_status, 0), child);
  EXPECT_EQ(child_status, 0);
  const std::vector<Path> here = synced(top / "a" / "b");
  ASSERT_GE(here.size(), 2U);
  EXPECT_TRUE(std::equal(here.begin(), here.end(), expected.begin()));
  EXPECT_THAT(synced(top / "a" / "b"), IsEmpty());
  EXPECT_THAT(synced(top / "a" / "." / "b" / ""), IsEmpty());
  std::filesystem::create_directories(top / "a" / "c" / "d");
  EXPECT_THAT(synced(top / "a" / "c" / "d"), ElementsAre(top / "a" / "c", top / "a"));
  // Another directory that has the name of one that was looked after.
  std::filesystem::rename(top / "a" / "c", top / "before");
  std::filesystem::create_directories(top / "a" / "c");
  EXPECT_THAT(synced(top / "a" / "c"), ElementsAre(top / "a"));
  std::filesystem::create_directory_symlink(top / "before", top / "link");
  std::filesystem::create_directories(top / "before" / "e");
  EXPECT_THAT(synced(top / "link" / "e"), ElementsAre(top / "before"));
  EXPECT_THROW((void)synced(top / "absent"), FileNotFoundError);
}

TEST_F(SyncParents, LeavesOutWhatMayNotBeRead) {
  const Path closed = directory_ / "closed", inner = closed / "inner", other = closed / "other";
  std::filesystem::create_directories(inner);
  std::filesystem::create_directories(other);
  std::filesystem::permissions(directory_.path(), std::filesystem::perms::all);
  std::filesystem::permissions(inner, std::filesystem::perms::all);
  std::filesystem::permissions(other, std::filesystem::perms::all);
  std::filesystem::permissions(closed, static_cast<std::filesystem::perms>(0311));
  const bool root = ::geteuid() == 0;
  ASSERT_TRUE(!root || ::seteuid(65534) == 0);
  EXPECT_NO_THROW(posix().sync_parents(inner));
  EXPECT_THROW(posix().sync_directory(closed), StorageError);
  ASSERT_TRUE(!root || ::seteuid(0) == 0);
  // The parents of where the process is: not even their names are to be had.
  std::filesystem::permissions(closed, std::filesystem::perms::owner_all);
  {
    const lamina::testing::WorkingDirectory there(other);
    ASSERT_TRUE(!root || ::seteuid(65534) == 0);
    EXPECT_NO_THROW(posix().sync_parents("."));
  }
  ASSERT_TRUE(!root || ::seteuid(0) == 0);
  std::filesystem::permissions(closed, std::filesystem::perms::all);
}

class FailedSync : public SyncParents {};

// After a sync that failed, the next one may succeed although what it should have written is lost.
TEST_F(FailedSync, IsNotRepeated) {
  const auto code_of = [](const auto& sync) {
    failed_syncs = 0;
    try {
      sync();
    } catch (const StorageError& error) {
      return error.code();
    }
    return 0;
  };
  const auto file = posix().create(directory_ / "f");
  file->write_at(0, std::vector<std::byte>(10));
  for (const int code : {EIO, ENOSPC, EDQUOT, EROFS, EINVAL, ENOTSUP}) {
    SCOPED_TRACE(code);
    syncing_fails_with = code;
    EXPECT_EQ(code_of([&] { file->sync(); }), code);
    EXPECT_EQ(failed_syncs, 1);
    // There are file systems that cannot sync directories.
    const bool cannot = code == EINVAL || code == ENOTSUP;
    EXPECT_EQ(code_of([&] { posix().sync_directory(directory_.path()); }), cannot ? 0 : code);
    EXPECT_EQ(failed_syncs, 1);
    syncing_fails_with = 0;
  }
}

}  // namespace
}  // namespace lamina::storage
