// Calls that take a lock and are interrupted, or refused as on NFS and where nothing can be locked.
#include <gtest/gtest.h>
#include <lamina/error.h>

#include <cerrno>
#include <string>

#include "storage/storage.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/storage/interfering_calls.h"

namespace lamina::storage {
namespace {

using namespace testkit;

class LockingCalls : public ::testing::Test {
 protected:
  lamina::testing::TemporaryDirectory directory_;
};

TEST_F(LockingCalls, ThatTakeALockAreTriedAgainAfterASignal) {
  const Path path = directory_ / "lock";
  for (const bool there : {false, true}) {
    const SignalsWhileLocking signals;
    for (int n = 0;; ++n) {
      SCOPED_TRACE(std::to_string(n) + (there ? ", the file is there" : ""));
      SignalsWhileLocking::come_at(-1);
      if (there) posix().create(path)->close();
      SignalsWhileLocking::come_at(n);
      const auto lock = posix().try_lock(path);
      ASSERT_TRUE(lock);
      EXPECT_TRUE(lock->exclusive());
      if (SignalsWhileLocking::count() > n) continue;
      EXPECT_GT(n, 2);
      break;
    }
    EXPECT_FALSE(posix().exists(path));
  }
}

TEST_F(LockingCalls, ThatLockAFileWhichAnotherMachineHasRemovedFindTheLockHeld) {
  stale_locks = 1;
  EXPECT_EQ(posix().try_lock(directory_ / "lock"), nullptr);
  const auto lock = posix().try_lock(directory_ / "lock");
  ASSERT_TRUE(lock);
  EXPECT_TRUE(lock->exclusive());
}

TEST_F(LockingCalls, ThatLockAFileWhereNoneCanBeLockedGiveALockThatExcludesNobody) {
  const Path path = directory_ / "lock";
  for (const int code : {ENOSYS, EOPNOTSUPP, ENOLCK, EINVAL, EBADF}) {
    SCOPED_TRACE(code);
    locking_fails_with = code;
    {
      const auto lock = posix().try_lock(path), second = posix().try_lock(path);
      ASSERT_TRUE(lock && second);
      EXPECT_FALSE(lock->exclusive());
      EXPECT_FALSE(second->exclusive());
    }
    EXPECT_FALSE(posix().exists(path));
    posix().create(path)->close();  // whose it is, nobody knows
    (void)posix().try_lock(path);
    EXPECT_TRUE(posix().exists(path));
    posix().remove(path);
    locking_fails_with = 0;
  }
  locking_fails_with = EIO;
  EXPECT_THROW((void)posix().try_lock(path), StorageError);
  locking_fails_with = 0;
}

}  // namespace
}  // namespace lamina::storage
