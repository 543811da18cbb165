#include "storage/posix_remove.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "core/per_process.h"
#include "storage/posix_call.h"

namespace lamina::storage {
namespace {

constexpr off_t kLarge = off_t{32} << 20;
// Freeing keeps the disk from all else, so it waits until a save that removes has synced the rest.
constexpr std::chrono::milliseconds kPause{200};

/// The descriptors of files without names, where a child that was just forked finds them, which may
/// neither lock nor allocate: it would keep their space for as long as it lives.
class Inherited {
 public:
  /// False where there is no room.
  [[nodiscard]] static bool note(int fd) noexcept {
    for (std::atomic<int>& slot : slots_) {
      int none = 0;
      if (slot.compare_exchange_strong(none, fd + 1)) return true;
    }
    return false;
  }
  /// Before the descriptor is closed: its number may be another file's right after.
  static void forget(int fd) noexcept {
    for (std::atomic<int>& slot : slots_) {
      int noted = fd + 1;
      if (slot.compare_exchange_strong(noted, 0)) return;
    }
  }
  /// In the child, and in its children.
  static void close_when_forked() {
    static std::atomic<bool> followed = false;
    if (!followed.exchange(true)) (void)::pthread_atfork(nullptr, nullptr, close_all);
  }

 private:
  static void close_all() {
    for (std::atomic<int>& slot : slots_) {
      if (const int noted = slot.exchange(0); noted != 0) ::close(noted - 1);
    }
  }

  static inline std::array<std::atomic<int>, kMostHeld> slots_ = {};  // one more; 0: none
};

/// Files that have no name any more, to be closed for the last time.
class Nameless {
 public:
  Nameless() { Inherited::close_when_forked(); }

  /// Closes the file later, on a thread that lasts until there are none left; now, where no thread
  /// is to be had, or too many are held.
  void close_later(Descriptor file) noexcept {
    if (hold(file)) return;
    file = Descriptor();
    ++freed_;
  }

  [[nodiscard]] std::uint64_t freed() const noexcept { return freed_; }

  bool wait() {
    std::unique_lock lock(mutex_);
    const std::uint64_t wanted = held_;  // others may remove more meanwhile
    if (closed_ == wanted) return false;
    hurry_ = true;
    changed_.notify_all();
    changed_.wait(lock, [&] { return closed_ >= wanted; });
    return true;
  }

 private:
  /// Takes the file, or returns false.
  bool hold(Descriptor& file) noexcept {
    const std::lock_guard lock(mutex_);
    if (!Inherited::note(file.get())) return false;
    try {
      if (!running_) std::thread([this] { run(); }).detach();
      running_ = true;
      files_.push_back(std::move(file));
    } catch (const std::exception&) {
      Inherited::forget(file.get());
      return false;
    }
    ++held_;
    last_ = std::chrono::steady_clock::now();
    return true;
  }
  static void close_all(std::vector<Descriptor>& files) noexcept {
    for (Descriptor& file : files) {
      Inherited::forget(file.get());
      file = Descriptor();
    }
    files.clear();
  }

  void run() {
    std::unique_lock lock(mutex_);
    while (!files_.empty()) {
      if (!hurry_ && std::chrono::steady_clock::now() < last_ + kPause) {
        changed_.wait_until(lock, last_ + kPause);
        continue;
      }
      hurry_ = false;  // those that are waited for are taken
      std::vector<Descriptor> closing = std::exchange(files_, {});
      const std::size_t count = closing.size();
      lock.unlock();
      close_all(closing);
      ++freed_;
      lock.lock();
      closed_ += count;
      changed_.notify_all();
    }
    running_ = hurry_ = false;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Descriptor> files_;
  std::chrono::steady_clock::time_point last_;  // when a file was added
  std::uint64_t held_ = 0, closed_ = 0;         // how many so far
  bool running_ = false, hurry_ = false;
  std::atomic<std::uint64_t> freed_ = 0;
};

using ProcessFiles = core::PerProcess<Nameless>;

/// On NFS what is removed while somebody holds it gets another name in its directory, which could
/// then not be removed. Its server frees the space by itself.
bool is_on_nfs(const Descriptor& file) {
  struct statfs system {};
  return ::fstatfs(file.get(), &system) == 0 && system.f_type == NFS_SUPER_MAGIC;
}

/// The file, if it is large and has no other name. It need not be readable.
Descriptor hold_large(const Path& path) {
  Descriptor file(::open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  struct stat status {};
  const bool large = file && ::fstat(file.get(), &status) == 0 && S_ISREG(status.st_mode) &&
                     status.st_size >= kLarge && status.st_nlink == 1;
  return large && !is_on_nfs(file) ? std::move(file) : Descriptor();
}

}  // namespace

void remove_file(const Path& path) {
  Descriptor held = hold_large(path);
  checked("unlink", path, [&] { return ::unlink(path.c_str()); });
  if (held) ProcessFiles::get().close_later(std::move(held));
}

bool wait_for_freed_space() {
  return ProcessFiles::get().wait();
}

std::uint64_t times_freed() {
  return ProcessFiles::get().freed();
}

bool is_worth_another_try(int code, std::uint64_t freed) {
  if (code != ENOSPC && code != EDQUOT) return code == EINTR;
  return wait_for_freed_space() || times_freed() != freed;
}

}  // namespace lamina::storage
