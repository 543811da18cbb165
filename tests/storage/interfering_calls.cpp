// This program's own open, flock, pread, pwrite, statx, fallocate, fstatfs, stat, fstat, faccessat,
// readdir, renameat2 and link: they stand before the C library's.
#include "tests/storage/interfering_calls.h"

#include <dirent.h>
#include <dlfcn.h>
#include <linux/magic.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cstdarg>
#include <string>

#include "storage/posix_call.h"

namespace {

using namespace lamina::storage::testkit;

/// Makes the call, on a descriptor without O_DIRECT when it is cut short: that takes no part of a
/// block.
template <class Call>
ssize_t judged(int fd, int mode, std::size_t size, const Call& call) {
  const Verdict* const given = verdict;
  if (given == nullptr) return call(fd, size);
  const ssize_t moved = (*given)(size, (::fcntl(fd, F_GETFL) & O_DIRECT) != 0);
  if (moved < 0) {
    errno = static_cast<int>(-moved);
    return -1;
  }
  if (static_cast<std::size_t>(moved) == size) return call(fd, size);
  const std::string again = "/proc/self/fd/" + std::to_string(fd);
  const lamina::storage::Descriptor plain(::open(again.c_str(), mode | O_CLOEXEC));
  return call(plain.get(), static_cast<std::size_t>(moved));
}

/// What this program would call of that name without a function of its own.
template <class F>
F* next_of(const char* name) {
  return reinterpret_cast<F*>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {
__attribute__((visibility("default"))) int open(const char* path, int flags, ...) {
  std::va_list more;
  va_start(more, flags);
  const int mode = (flags & O_CREAT) != 0 ? va_arg(more, int) : 0;
  va_end(more);
  if (SignalsWhileLocking::comes()) return -1;
  if (NothingOpensDirectly::refuses(flags)) {
    errno = EINVAL;
    return -1;
  }
  return static_cast<int>(::syscall(SYS_openat, AT_FDCWD, path, flags, mode));
}
__attribute__((visibility("default"))) ssize_t pread(int fd, void* bytes, std::size_t size,
                                                     off_t offset) {
  if (LargeBlocks::refuses(fd, static_cast<std::uint64_t>(offset), size)) return -1;
  return judged(fd, O_RDONLY, size, [&](int file, std::size_t n) {
    return ::syscall(SYS_pread64, file, bytes, n, offset);
  });
}
__attribute__((visibility("default"))) ssize_t pwrite(int fd, const void* bytes, std::size_t size,
                                                      off_t offset) {
  if (LargeBlocks::refuses(fd, static_cast<std::uint64_t>(offset), size)) return -1;
  return judged(fd, O_WRONLY, size, [&](int file, std::size_t n) {
    return ::syscall(SYS_pwrite64, file, bytes, n, offset);
  });
}
__attribute__((visibility("default"))) int flock(int fd, int operation) noexcept {
  if (SignalsWhileLocking::comes()) return -1;
  if (stale_locks > 0) {
    --stale_locks;
    errno = ESTALE;
    return -1;
  }
  if (locking_fails_with != 0) {
    errno = locking_fails_with;
    return -1;
  }
  return static_cast<int>(::syscall(SYS_flock, fd, operation));
}
__attribute__((visibility("default"))) int fallocate(int fd, int mode, off_t offset, off_t size) {
  if (SignalsBeforeSpaceIsReserved::comes()) {
    errno = EINTR;
    return -1;
  }
  if (reserving_fails_with != 0) {
    errno = reserving_fails_with;
    return -1;
  }
  return static_cast<int>(::syscall(SYS_fallocate, fd, mode, offset, size));
}
__attribute__((visibility("default"))) int statx(int fd, const char* path, int flags, unsigned mask,
                                                 struct statx* status) noexcept {
  const int result = static_cast<int>(::syscall(SYS_statx, fd, path, flags, mask, status));
  if (result == 0) LargeBlocks::describe(*status);
  return result;
}
__attribute__((visibility("default"))) int fstatfs(int fd, struct statfs* system) noexcept {
  const int result = static_cast<int>(::syscall(SYS_fstatfs, fd, system));
  if (EverythingOnNfs::is_so) system->f_type = NFS_SUPER_MAGIC;
  return result;
}
__attribute__((visibility("default"))) int stat(const char* path, struct stat* status) noexcept {
  if (fails(interrupted_looks, EINTR)) return -1;
  return static_cast<int>(::syscall(SYS_newfstatat, AT_FDCWD, path, status, 0));
}
__attribute__((visibility("default"))) int fstat(int fd, struct stat* status) noexcept {
  if (fails(stale_files, ESTALE)) return -1;
  return static_cast<int>(::syscall(SYS_fstat, fd, status));
}
__attribute__((visibility("default"))) int faccessat(int fd, const char* path, int mode,
                                                     int flags) noexcept {
  if (fails(interrupted_looks, EINTR)) return -1;
  static auto* const next = next_of<int(int, const char*, int, int)>("faccessat");
  return next(fd, path, mode, flags);
}
__attribute__((visibility("default"))) struct dirent* readdir(DIR* directory) {
  if (fails(interrupted_looks, EINTR)) return nullptr;
  static auto* const next = next_of<struct dirent*(DIR*)>("readdir");
  return next(directory);
}
__attribute__((visibility("default"))) int renameat2(int from, const char* a, int to, const char* b,
                                                     unsigned flags) noexcept {
  if (fails(interrupted_looks, EINTR)) return -1;
  return static_cast<int>(::syscall(SYS_renameat2, from, a, to, b, flags));
}
__attribute__((visibility("default"))) int link(const char* from, const char* to) noexcept {
  if (linking_fails_with != 0) {
    errno = linking_fails_with;
    return -1;
  }
  return static_cast<int>(::syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0));
}
}
