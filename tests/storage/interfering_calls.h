#pragma once
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>

/// What the calls of interfering_calls.cpp, which stand before the C library's in this program, are
/// to do.
namespace lamina::storage::testkit {

/// Of a call for so many bytes, `direct` past the page cache: how many it moves, or a negative
/// error.
using Verdict = std::function<ssize_t(std::size_t size, bool direct)>;
inline std::atomic<const Verdict*> verdict = nullptr;

/// Makes the verdicts for as long as it lives.
class Interference {
 public:
  explicit Interference(Verdict given) : given_(std::move(given)) { verdict = &given_; }
  ~Interference() { verdict = nullptr; }
  Interference(const Interference&) = delete;
  Interference& operator=(const Interference&) = delete;

 private:
  Verdict given_;
};

/// While it lives no file can be opened past the page cache, as on a file system that lacks that.
class NothingOpensDirectly {
 public:
  NothingOpensDirectly() { refused_ = 0, refuses_ = true; }
  ~NothingOpensDirectly() { refuses_ = false; }
  NothingOpensDirectly(const NothingOpensDirectly&) = delete;
  NothingOpensDirectly& operator=(const NothingOpensDirectly&) = delete;

  [[nodiscard]] static bool refuses(int flags) {
    if ((flags & O_DIRECT) == 0 || !refuses_) return false;
    ++refused_;
    return true;
  }
  [[nodiscard]] std::size_t refused() const { return refused_; }

 private:
  static inline std::atomic<bool> refuses_ = false;
  static inline std::atomic<std::size_t> refused_ = 0;
};

/// While it lives a signal comes before any space is reserved, but for a time after very many.
class SignalsBeforeSpaceIsReserved {
 public:
  SignalsBeforeSpaceIsReserved() { count_ = 0, come_ = true; }
  ~SignalsBeforeSpaceIsReserved() { come_ = false; }
  SignalsBeforeSpaceIsReserved(const SignalsBeforeSpaceIsReserved&) = delete;
  SignalsBeforeSpaceIsReserved& operator=(const SignalsBeforeSpaceIsReserved&) = delete;

  static constexpr int kVeryMany = 10'000;
  [[nodiscard]] static bool comes() { return come_ && ++count_ < kVeryMany; }
  [[nodiscard]] int count() const { return count_; }

 private:
  static inline std::atomic<bool> come_ = false;
  static inline std::atomic<int> count_ = 0;
};

/// The error of each call of fallocate, but for 0.
inline std::atomic<int> reserving_fails_with = 0;

/// While it lives a signal comes at one of the calls of open and flock.
class SignalsWhileLocking {
 public:
  SignalsWhileLocking() { count_ = 0, come_ = true; }
  ~SignalsWhileLocking() { come_ = false; }
  SignalsWhileLocking(const SignalsWhileLocking&) = delete;
  SignalsWhileLocking& operator=(const SignalsWhileLocking&) = delete;

  [[nodiscard]] static bool comes() {
    if (!come_ || wanted_ != count_++) return false;
    errno = EINTR;
    return true;
  }
  /// At the n-th from now on, counted from 0.
  static void come_at(int n) { count_ = 0, wanted_ = n; }
  [[nodiscard]] static int count() { return count_; }

 private:
  static inline std::atomic<bool> come_ = false;
  static inline std::atomic<int> wanted_ = 0, count_ = 0;
};

/// How many calls of flock are still to fail as NFS fails one for a file that another machine has
/// removed.
inline std::atomic<int> stale_locks = 0;

/// How many calls of stat, faccessat, readdir and renameat2 are still to be interrupted, as some
/// file systems that are programs, or servers, let signals do.
inline std::atomic<int> interrupted_looks = 0;
/// How many calls of fstat are still to fail as NFS fails one for a file that another machine has
/// removed.
inline std::atomic<int> stale_files = 0;
/// The error of each call of link, but for 0.
inline std::atomic<int> linking_fails_with = 0;

/// True, with the error, when this is one of those that are still to fail.
inline bool fails(std::atomic<int>& left, int code) {
  if (left == 0) return false;
  --left;
  errno = code;
  return true;
}

/// The error of each call of flock, but for 0.
inline std::atomic<int> locking_fails_with = 0;

/// While it lives every file is on NFS.
class EverythingOnNfs {
 public:
  EverythingOnNfs() { is_so = true; }
  ~EverythingOnNfs() { is_so = false; }
  EverythingOnNfs(const EverythingOnNfs&) = delete;
  EverythingOnNfs& operator=(const EverythingOnNfs&) = delete;

  static inline std::atomic<bool> is_so = false;
};

/// While it lives files have blocks of so many bytes, and past the page cache move in whole ones
/// alone. Counts what went well, and what was refused.
class LargeBlocks {
 public:
  explicit LargeBlocks(std::uint32_t bytes) { moved_ = 0, refused_ = 0, block_ = bytes; }
  ~LargeBlocks() { block_ = 0; }
  LargeBlocks(const LargeBlocks&) = delete;
  LargeBlocks& operator=(const LargeBlocks&) = delete;

  [[nodiscard]] static bool refuses(int fd, std::uint64_t offset, std::size_t size) {
    if (block_ == 0 || (::fcntl(fd, F_GETFL) & O_DIRECT) == 0) return false;
    const bool whole = offset % block_ == 0 && size % block_ == 0;
    ++(whole ? moved_ : refused_);
    if (!whole) errno = EINVAL;
    return !whole;
  }
  static void describe(struct statx& status) {
    if (block_ == 0) return;
    status.stx_blksize = block_;
#ifdef STATX_DIOALIGN
    status.stx_mask |= STATX_DIOALIGN;
    status.stx_dio_offset_align = block_;
    status.stx_dio_mem_align = 512;
#endif
  }
  [[nodiscard]] std::size_t moved() const {
    return moved_;
  }
  [[nodiscard]] std::size_t refused() const {
    return refused_;
  }

 private:
  static inline std::atomic<std::uint32_t> block_ = 0;
  static inline std::atomic<std::size_t> moved_ = 0, refused_ = 0;
};

}  // namespace lamina::storage::testkit
