#include "storage/posix_parents.h"

#include <fcntl.h>
#include <lamina/error.h>
#include <sys/stat.h>

#include <cerrno>
#include <compare>
#include <cstdint>
#include <mutex>
#include <optional>
#include <set>
#include <vector>

#include "core/per_process.h"
#include "storage/posix_call.h"

namespace lamina::storage {
namespace {

/// Tells a directory from all others, also from one that had its number before. Where a file system
/// knows no times of birth, these are 0.
struct DirectoryIdentity {
  std::uint32_t device_major, device_minor;
  std::uint64_t inode;
  std::int64_t seconds;
  std::uint32_t nanoseconds;

  auto operator<=>(const DirectoryIdentity&) const = default;
  [[nodiscard]] bool is_beside(const DirectoryIdentity& other) const {
    return device_major == other.device_major && device_minor == other.device_minor;
  }
};

DirectoryIdentity identity_of(const Path& directory) {
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
  [[nodiscard]] bool contains(const DirectoryIdentity& directory) {
    const std::lock_guard lock(mutex_);
    return known_.contains(directory);
  }
  void add(const std::vector<DirectoryIdentity>& directories) {
    const std::lock_guard lock(mutex_);
    known_.insert(directories.begin(), directories.end());
  }

 private:
  std::mutex mutex_;
  std::set<DirectoryIdentity> known_;
};

using ProcessDirectories = core::PerProcess<Durable>;

/// What keeps a process from looking at the directories above one that it can use all the same.
bool is_out_of_reach(int code) {
  return code == EACCES || code == EPERM || code == ENAMETOOLONG;
}

/// Nothing where it may not be looked at.
std::optional<DirectoryIdentity> identity_if_allowed(const Path& directory) {
  try {
    return identity_of(directory);
  } catch (const StorageError& error) {
    if (!is_out_of_reach(error.code())) throw;
    return {};
  }
}

/// Who may search a directory, or write there, may not be allowed to open it.
void sync_if_allowed(const Path& directory) {
  try {
    posix().sync_directory(directory);
  } catch (const StorageError& error) {
    if (!is_out_of_reach(error.code())) throw;
  }
}

}  // namespace

void sync_posix_parents(const Path& directory) {
  Durable& durable = ProcessDirectories::get();
  std::optional<DirectoryIdentity> here = identity_if_allowed(directory);
  if (!here || durable.contains(*here)) return;
  std::error_code code;
  Path at = std::filesystem::canonical(directory, code);
  if (is_out_of_reach(code.value())) return;
  if (code) raise_posix("realpath", directory, code.value());
  std::vector<DirectoryIdentity> synced;
  while (!durable.contains(*here)) {
    synced.push_back(*here);
    const std::optional<DirectoryIdentity> parent = identity_if_allowed(at.parent_path());
    // Of another file system whoever mounted it saw to that.
    if (!parent || !parent->is_beside(*here) || *parent == *here) break;
    sync_if_allowed(at.parent_path());
    at = at.parent_path();
    here = parent;
  }
  durable.add(synced);
}

}  // namespace lamina::storage
