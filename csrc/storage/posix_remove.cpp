#include "storage/posix_remove.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

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

/// Files that have no name any more, to be closed for the last time.
class Nameless {
 public:
  /// Closes the file later, on a thread that lasts until there are none left; now, where no thread
  /// is to be had.
  void close_later(Descriptor file) noexcept {
    const std::lock_guard lock(mutex_);
    try {
      files_.push_back(std::move(file));
      last_ = std::chrono::steady_clock::now();
      if (running_) return;
      std::thread([this] { run(); }).detach();
      running_ = true;
    } catch (const std::exception&) {
      if (running_) return;
      files_.clear();
      ++freed_;
    }
  }

  [[nodiscard]] std::uint64_t freed() const noexcept { return freed_; }

  bool wait() {
    std::unique_lock lock(mutex_);
    if (!running_) return false;
    hurry_ = true;
    changed_.notify_all();
    changed_.wait(lock, [&] { return !running_; });
    return true;
  }

 private:
  void run() {
    std::unique_lock lock(mutex_);
    while (!files_.empty()) {
      if (!hurry_ && std::chrono::steady_clock::now() < last_ + kPause) {
        changed_.wait_until(lock, last_ + kPause);
        continue;
      }
      std::vector<Descriptor> closing = std::exchange(files_, {});
      lock.unlock();
      closing.clear();
      ++freed_;
      lock.lock();
    }
    running_ = hurry_ = false;
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Descriptor> files_;
  std::chrono::steady_clock::time_point last_;  // when a file was added
  bool running_ = false, hurry_ = false;
  std::atomic<std::uint64_t> freed_ = 0;
};

using ProcessFiles = core::PerProcess<Nameless>;

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
  if (held) ProcessFiles::get().close_later(std::move(held));
}

bool wait_for_freed_space() {
  return ProcessFiles::get().wait();
}

std::uint64_t times_freed() {
  return ProcessFiles::get().freed();
}

}  // namespace lamina::storage
