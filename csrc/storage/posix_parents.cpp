#include "storage/posix_parents.h"

#include <fcntl.h>
#include <lamina/error.h>
#include <sys/stat.h>

#include <cerrno>
#include <compare>
#include <cstdint>
#include <mutex>
#include <set>
#include <vector>

#include "core/per_process.h"
#include "storage/posix_call.h"

namespace lamina::storage {
namespace {

/// Tells a directory from all others, also from one that had its number before. Where a file system
/// knows no times of birth, these are 0.
struct Identity {
  std::uint32_t major, minor;
  std::uint64_t inode;
  std::int64_t seconds;
  std::uint32_t nanoseconds;

  auto operator<=>(const Identity&) const = default;
  [[nodiscard]] bool is_beside(const Identity& other) const {
    return major == other.major && minor == other.minor;
  }
};

Identity identity_of(const Path& directory) {
  struct statx status {};
  checked("statx", directory, [&] {
    return ::statx(AT_FDCWD, directory.c_str(), 0, STATX_INO | STATX_BTIME, &status);
  });
  const bool has_birth = (status.stx_mask & STATX_BTIME) != 0;
  return {status.stx_dev_major, status.stx_dev_minor, status.stx_ino,
          has_birth ? status.stx_btime.tv_sec : 0, has_birth ? status.stx_btime.tv_nsec : 0};
}

/// Directories of which it is durable that they are there.
class Durable {
 public:
  [[nodiscard]] bool contains(const Identity& directory) {
    const std::lock_guard lock(mutex_);
    return known_.contains(directory);
  }
  void add(const std::vector<Identity>& directories) {
    const std::lock_guard lock(mutex_);
    known_.insert(directories.begin(), directories.end());
  }

 private:
  std::mutex mutex_;
  std::set<Identity> known_;
};

using ProcessDirectories = core::PerProcess<Durable>;

/// Who may search a directory, or write there, may not be allowed to open it.
void sync_if_allowed(const Path& directory) {
  try {
    posix().sync_directory(directory);
  } catch (const StorageError& error) {
    if (error.code() != EACCES && error.code() != EPERM) throw;
  }
}

}  // namespace

void sync_posix_parents(const Path& directory) {
  Durable& durable = ProcessDirectories::get();
  Identity here = identity_of(directory);
  if (durable.contains(here)) return;
  std::error_code code;
  Path at = std::filesystem::canonical(directory, code);
  if (code) raise_posix("realpath", directory, code.value());
  std::vector<Identity> synced;
  while (!durable.contains(here)) {
    synced.push_back(here);
    const Identity parent = identity_of(at.parent_path());
    if (!parent.is_beside(here) || parent == here) break;  // whoever mounted it saw to that
    sync_if_allowed(at.parent_path());
    at = at.parent_path();
    here = parent;
  }
  durable.add(synced);
}

}  // namespace lamina::storage
