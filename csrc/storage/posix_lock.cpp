#include "storage/posix_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "storage/posix_call.h"
#include "storage/posix_remove.h"

namespace lamina::storage {
namespace {

class PosixLock final : public Lock {
 public:
  PosixLock(Path path, Descriptor fd, bool exclusive, bool removes)
      : path_(std::move(path)), fd_(std::move(fd)), exclusive_(exclusive), removes_(removes) {}
  ~PosixLock() override {
    if (removes_) ::unlink(path_.c_str());
    // A child that was forked meanwhile has the descriptor too; unlocking ends its hold as well.
    ::flock(fd_.get(), LOCK_UN);
  }
  [[nodiscard]] bool exclusive() const override { return exclusive_; }

 private:
  Path path_;
  Descriptor fd_;
  bool exclusive_;
  bool removes_;
};

struct Opened {
  Descriptor fd;
  bool made = false;
};

bool unsupported(int code) {
  return code == ENOSYS || code == EOPNOTSUPP || code == ENOLCK || code == EINVAL || code == EBADF;
}

/// Of a file that goes away meanwhile: ESTALE where another machine removed it.
bool is_gone(int code) {
  return code == ENOENT || code == ESTALE;
}

/// Null when the file goes away meanwhile, or a signal or room for it comes. Follows no link and
/// waits for no pipe, whatever lies there.
Opened open_lock(const Path& path) {
  constexpr int kFlags = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
  const std::uint64_t freed = times_freed();
  Descriptor fd(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | kFlags, 0666));
  if (fd) return {std::move(fd), true};
  const int code = errno;
  if (is_worth_another_try(code, freed)) return {};
  if (code != EEXIST && code != EACCES && code != EROFS) raise_posix("open", path, code);
  // NFS locks only what is open for writing; where that may not be, reading will do elsewhere.
  for (const int mode : {O_RDWR, O_RDONLY}) {
    fd = Descriptor(::open(path.c_str(), mode | kFlags));
    if (fd) return {std::move(fd), false};
    if (errno == EINTR) return {};
    if (errno != EACCES && errno != EROFS && !is_gone(errno)) raise_posix("open", path, errno);
  }
  if (!is_gone(errno)) raise_posix("open", path, errno);
  if (code != EEXIST) raise_posix("open", path, code);
  return {};
}

/// Who held the file may have removed it since it was opened: then it guards nothing any more.
bool is_at(const Path& path, int fd) {
  // Opened once more, as NFS may answer a mere look at the name from its memory.
  const Descriptor again(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat held {
  }, there{};
  if (again && ::fstat(fd, &held) == 0 && ::fstat(again.get(), &there) == 0) {
    return held.st_dev == there.st_dev && held.st_ino == there.st_ino;
  }
  if (is_gone(errno) || errno == EINTR) return false;
  raise_posix("open", path, errno);
}

}  // namespace

std::unique_ptr<Lock> try_posix_lock(const Path& path) {
  for (;;) {
    Opened file = open_lock(path);
    if (!file.fd) continue;
    if (::flock(file.fd.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno == EINTR) continue;
      // Who held a file that is gone may still be about to let go.
      if (errno == EWOULDBLOCK || is_gone(errno)) return nullptr;
      if (!unsupported(errno)) raise_posix("flock", path, errno);
      return std::make_unique<PosixLock>(path, std::move(file.fd), false, file.made);
    }
    if (!is_at(path, file.fd.get())) continue;
    return std::make_unique<PosixLock>(path, std::move(file.fd), true, true);
  }
}

}  // namespace lamina::storage
