#pragma once
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "storage/storage.h"

namespace lamina::storage {

/// Throws StorageError (FileNotFoundError for ENOENT) naming the call, the path and the reason.
[[noreturn]] void raise_posix(const char* call, const Path& path, int code);

/// Repeats a call that a signal interrupted; the one place where POSIX results are checked.
template <class F>
auto checked(const char* call, const Path& path, F&& f) {
  for (;;) {
    const auto result = f();
    if (result >= 0) return result;
    if (errno != EINTR) raise_posix(call, path, errno);
  }
}

/// A file descriptor and the duty to close it.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) noexcept : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }

  [[nodiscard]] int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }
  [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }

 private:
  int fd_ = -1;
};

inline struct stat status_of(const Descriptor& file, const Path& path) {
  struct stat status {};
  checked("fstat", path, [&] { return ::fstat(file.get(), &status); });
  return status;
}

}  // namespace lamina::storage
