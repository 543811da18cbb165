#include "storage/posix_file.h"

#include <fcntl.h>
#include <lamina/error.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "core/direct_io.h"
#include "storage/posix_remove.h"

namespace lamina::storage {
namespace {

using core::kDirectAlignment;
using core::kSmallestDirect;

constexpr std::size_t kLargestCall = std::size_t{1} << 30;  // Linux moves at most 2 GiB a call
constexpr std::size_t kShown = std::size_t{256} << 10;      // stays in a core's own cache
constexpr std::uint64_t kSamples = 16;  // pages to look at of what is to be read

std::atomic<rlim_t> files_held_open = 0;

// O_NONBLOCK: a pipe of that name must not hang us before it is refused. With it a file that is
// leased, as by a server of files for its clients, cannot be opened before the lease is given back,
// which the system then asks for, and sees to after its `lease-break-time`.
Descriptor open_to_read(const Path& path) {
  constexpr std::chrono::milliseconds kLongestPause{50};
  constexpr int kMostPauses = 2'000;
  std::chrono::milliseconds pause{1};
  for (int pauses = 0;; ++pauses) {
    Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (file) return file;
    const int code = errno;
    if (code == EINTR) continue;
    if (code != EWOULDBLOCK || pauses >= kMostPauses) raise_posix("open", path, code);
    std::this_thread::sleep_for(pause);
    pause = std::min(2 * pause, kLongestPause);
  }
}

bool is_same_file(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/// Not the time of change: that of a file which gets a second name changes, and its bytes do not.
bool is_same_content(const struct stat& a, const struct stat& b) {
  return a.st_size == b.st_size && a.st_mtim.tv_sec == b.st_mtim.tv_sec &&
         a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
}

/// True for what the writes would fail of as well. Any other error says that there is no such thing
/// as to reserve space: file systems, and what keeps calls from containers, have several words for
/// that.
bool is_of_the_disk(int code) {
  return code == ENOSPC || code == EDQUOT || code == EFBIG || code == EIO;
}

/// Reserves the space of a file; 0 or the error, also where there is no such thing. tmpfs, before
/// Linux 6.8, begins anew after each signal, and a timer's may come before it is ever done: what is
/// interrupted again and again is left unreserved.
int reserve(int fd, std::uint64_t size) {
  constexpr int kMostInterruptions = 10;
  for (int interruptions = 0;;) {
    const std::uint64_t freed = times_freed();
    if (::fallocate(fd, 0, 0, static_cast<off_t>(size)) == 0) return 0;
    const int code = errno;
    if (code == EINTR && ++interruptions == kMostInterruptions) return 0;
    if (!is_worth_another_try(code, freed)) return code;
  }
}

/// As pwrite(2), with the error as a negative number.
ssize_t write_some(int fd, std::uint64_t offset, std::span<const std::byte> bytes) {
  for (;;) {
    const std::uint64_t freed = times_freed();
    const ssize_t n = ::pwrite(fd, bytes.data(), std::min(bytes.size(), kLargestCall),
                               static_cast<off_t>(offset));
    const int code = errno;
    if (n >= 0) return n;
    if (!is_worth_another_try(code, freed)) return -code;
  }
}

}  // namespace

HeldOpen::HeldOpen() noexcept {
  struct rlimit limit {};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  counted_ = files_held_open.fetch_add(1) < limit.rlim_cur / 4;
  if (!counted_) --files_held_open;
}

HeldOpen::~HeldOpen() {
  if (counted_) --files_held_open;
}

PosixReadableFile::PosixReadableFile(Path path)
    : path_(std::move(path)), fd_(open_to_read(path_)), opened_(status_of(fd_, path_)) {
  if (S_ISDIR(opened_.st_mode)) raise_posix("open", path_, EISDIR);
  if (!S_ISREG(opened_.st_mode)) raise_posix("open", path_, EINVAL);
  size_ = static_cast<std::uint64_t>(opened_.st_size);
  direct_usable_ = size_ >= kSmallestDirect;  // for all that is known
  if (!held_) fd_ = Descriptor();
}

Descriptor PosixReadableFile::opened_again() const {
  try {
    Descriptor file = open_to_read(path_);
    const struct stat there = status_of(file, path_);
    if (is_same_file(there, opened_) && is_same_content(there, opened_)) return file;
  } catch (const FileNotFoundError&) {
    // Not that a file is missing, which is damage: it was there.
  }
  throw StorageError(
      "'" + path_.string() + "' was replaced, removed, or written to, while it was read.", ESTALE);
}

std::optional<PosixReadableFile::Direct> PosixReadableFile::open_past_cache() const {
  Descriptor direct(::open(path_.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC | O_NONBLOCK));
  struct stat there {};  // another file may have come in its place
  const bool same = direct && ::fstat(direct.get(), &there) == 0 && is_same_file(there, opened_);
  if (!same) return {};
  const DirectRules rules = direct_rules(direct.get());
  if (!rules.possible) return {};
  return Direct{std::move(direct), rules};
}

bool PosixReadableFile::is_replaced() const {
  try {
    // Opened once more, as NFS may answer a mere look at the name from its memory.
    const struct stat there = status_of(open_to_read(path_), path_);
    return !is_same_file(there, opened_) || !is_same_content(there, opened_);
  } catch (const StorageError& error) {
    if (error.code() != ENOENT && error.code() != ESTALE) throw;
    return true;
  }
}

bool PosixReadableFile::is_cached(int fd, std::uint64_t offset, std::uint64_t size) const {
  void* map = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, static_cast<off_t>(offset));
  if (map == MAP_FAILED) return true;
  std::uint64_t cached = 0;
  for (std::uint64_t i = 0; i < kSamples; ++i) {
    unsigned char resident = 0;
    const std::uint64_t at = size / kSamples * i / kDirectAlignment * kDirectAlignment;
    // What we may not know counts as cached: the cache is the way that always works.
    if (::mincore(static_cast<std::byte*>(map) + at, 1, &resident) != 0) resident = 1;
    cached += resident & 1u;
  }
  ::munmap(map, size);
  return cached * 2 >= kSamples;
}

std::size_t PosixReadableFile::read_direct(const Direct& direct, std::uint64_t offset,
                                           std::span<std::byte> out) const {
  const std::size_t unit = direct.rules.file, whole = out.size() / unit * unit;
  std::size_t done = 0;
  while (done < whole) {
    const ssize_t n =
        ::pread(direct.fd.get(), out.data() + done, std::min(whole - done, kLargestCall),
                static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno != EINVAL) raise_posix("pread", path_, errno);
    if (n > 0) done += static_cast<std::size_t>(n);
    if (n <= 0 || static_cast<std::uint64_t>(n) % unit != 0) {
      // The device wants another alignment, or the file has become shorter: use the cache.
      direct_usable_ = false;
      break;
    }
  }
  return done;
}

std::size_t PosixReadableFile::read_past_cache(int fd, std::uint64_t offset,
                                               std::span<std::byte> out) const {
  const bool possible = direct_usable_ && is_aligned(offset, out, DirectRules());
  if (!possible || is_cached(fd, offset, out.size())) return 0;
  std::optional<Direct> passing;
  if (held_) {
    std::call_once(direct_once_, [this] { direct_ = open_past_cache(); });
  } else {
    passing = open_past_cache();
  }
  const std::optional<Direct>& direct = held_ ? direct_ : passing;
  if (!direct) {
    direct_usable_ = false;
    return 0;
  }
  return is_aligned(offset, out, direct->rules) ? read_direct(*direct, offset, out) : 0;
}

void PosixReadableFile::read_at(std::uint64_t offset, std::span<std::byte> out) const {
  const Descriptor again = fd_ ? Descriptor() : opened_again();
  const int fd = fd_ ? fd_.get() : again.get();
  const std::size_t done = read_past_cache(fd, offset, out);
  read_cached(fd, offset + done, out.subspan(done));
}

void PosixReadableFile::read_and_show(std::uint64_t offset, std::span<std::byte> out,
                                      const Seen& seen) const {
  const Descriptor again = fd_ ? Descriptor() : opened_again();
  const int fd = fd_ ? fd_.get() : again.get();
  std::size_t done = read_past_cache(fd, offset, out);
  if (done > 0) seen(out.first(done));
  for (std::size_t size = 0; done < out.size(); done += size) {
    size = std::min(kShown, out.size() - done);
    read_cached(fd, offset + done, out.subspan(done, size));
    seen(out.subspan(done, size));
  }
}

void PosixReadableFile::read_cached(int fd, std::uint64_t offset, std::span<std::byte> out) const {
  while (!out.empty()) {
    const ssize_t n = checked("pread", path_, [&] {
      return ::pread(fd, out.data(), std::min(out.size(), kLargestCall),
                     static_cast<off_t>(offset));
    });
    if (n == 0) {
      throw FormatError("'" + path_.string() + "' ends at byte " + std::to_string(offset) +
                        " where " + std::to_string(out.size()) + " more bytes were expected.");
    }
    out = out.subspan(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
}

PosixWritableFile::PosixWritableFile(Path path) : path_(std::move(path)) {
  fd_ = Descriptor(checked_for_room("open", path_, [&] {
    return ::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  }));
  // Not every file system has O_DIRECT; without it everything goes through the cache.
  direct_ = Descriptor(::open(path_.c_str(), O_WRONLY | O_DIRECT | O_CLOEXEC));
  if (direct_) direct_rules_ = direct_rules(direct_.get());
  direct_usable_ = direct_ && direct_rules_.possible;
}

void PosixWritableFile::resize(std::uint64_t size) {
  if (size > 0) {
    const int code = reserve(fd_.get(), size);
    if (is_of_the_disk(code)) raise_posix("fallocate", path_, code);
  }
  checked("ftruncate", path_, [&] { return ::ftruncate(fd_.get(), static_cast<off_t>(size)); });
}

void PosixWritableFile::write_all(int fd, std::uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = write_some(fd, offset, bytes);
    if (n <= 0) raise_posix("pwrite", path_, n < 0 ? static_cast<int>(-n) : EIO);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
}

bool PosixWritableFile::try_direct(std::uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = write_some(direct_.get(), offset, bytes);
    if (n < 0 && n != -EINVAL) raise_posix("pwrite", path_, static_cast<int>(-n));
    if (n <= 0 || static_cast<std::uint64_t>(n) % direct_rules_.file != 0) {
      // The device wants another alignment, or stopped in the middle of a block: use the cache.
      direct_usable_ = false;
      return false;
    }
    bytes = bytes.subspan(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
  return true;
}

void PosixWritableFile::write_at(std::uint64_t offset, std::span<const std::byte> bytes) {
  const DirectPart part = direct_usable_ ? direct_part(offset, bytes, direct_rules_) : DirectPart();
  std::size_t done = 0;
  if (part.size > 0 && try_direct(offset + part.begin, bytes.subspan(part.begin, part.size))) {
    write_all(fd_.get(), offset, bytes.first(part.begin));
    done = part.begin + part.size;
  }
  write_all(fd_.get(), offset + done, bytes.subspan(done));
}

void PosixWritableFile::sync() {
  checked("fsync", path_, [&] { return ::fsync(fd_.get()); });
}

void PosixWritableFile::close() {
  direct_usable_ = false;
  direct_ = Descriptor();
  // Not repeated when interrupted: the descriptor is gone then, and may be another file's.
  if (fd_ && ::close(fd_.release()) != 0 && errno != EINTR) raise_posix("close", path_, errno);
}

}  // namespace lamina::storage
