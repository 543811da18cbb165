#include "storage/posix_remove.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>

#include "storage/posix_call.h"

namespace lamina::storage {
namespace {

constexpr off_t kLarge = off_t{32} << 20;

/// Files that have no name any more and are about to be closed for the last time.
class Nameless {
 public:
  /// Closes the file on a thread that lasts as long as that takes; here where there is none to be
  /// had.
  void close_behind(Descriptor file) noexcept {
    try {
      {
        const std::lock_guard lock(mutex_);
        // Threads of a process that this one was forked from are not here.
        if (process_ != ::getpid()) process_ = ::getpid(), open_ = 0;
        ++open_;
      }
      const int fd = file.get();
      std::thread([this, fd] {
        ::close(fd);
        closed();
      }).detach();
      (void)file.release();
    } catch (const std::system_error&) {
      file = Descriptor();
      closed();
    }
  }

  bool wait() {
    std::unique_lock lock(mutex_);
    if (open_ == 0 || process_ != ::getpid()) return false;
    changed_.wait(lock, [&] { return open_ == 0; });
    return true;
  }

 private:
  void closed() {
    const std::lock_guard lock(mutex_);
    --open_;
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t open_ = 0;
  pid_t process_ = ::getpid();
};

Nameless& nameless() {
  // Never destroyed: threads may still close files when the process ends.
  static auto& instance = *new Nameless;
  return instance;
}

/// The file, if it is large and has no other name. It need not be readable.
Descriptor hold_large(const Path& path) {
  Descriptor file(::open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  struct stat status {};
  const bool large = file && ::fstat(file.get(), &status) == 0 && S_ISREG(status.st_mode) &&
                     status.st_size >= kLarge && status.st_nlink == 1;
  return large ? std::move(file) : Descriptor();
}

}  // namespace

void remove_file(const Path& path) {
  Descriptor held = hold_large(path);
  checked("unlink", path, [&] { return ::unlink(path.c_str()); });
  if (held) nameless().close_behind(std::move(held));
}

bool wait_for_freed_space() {
  return nameless().wait();
}

}  // namespace lamina::storage
