#include "storage/posix_like.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <lamina/error.h>
#include <linux/limits.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <system_error>

#include "storage/posix_call.h"
#include "storage/posix_remove.h"

namespace lamina::storage {
namespace {

constexpr uid_t kSameOwner = static_cast<uid_t>(-1);
constexpr const char* kAccessList = "system.posix_acl_access";
// A version and eight bytes each for owner, group and others: all that the mode says as well.
constexpr ssize_t kListOfMode = 4 + 3 * 8;

/// Of a file. A pipe or a device would be gone for those who use it: nothing else is replaced.
struct stat status_of_file(const Path& path) {
  struct stat status {};
  checked("stat", path, [&] { return ::stat(path.c_str(), &status); });
  if (S_ISDIR(status.st_mode)) raise_posix("open", path, EISDIR);
  if (S_ISREG(status.st_mode)) return status;
  throw StorageError(
      fmt::format("'{}' is not a regular file, and is not replaced by one.", path.string()),
      EINVAL);
}

/// Who took the right to write to a file away did not mean that a rename may do what a write may
/// not.
void require_writable(const Path& path) {
  if (!is_posix_write_protected(path)) return;
  throw StorageError(fmt::format("'{}' may not be written to, and is not replaced: {}",
                                 path.string(), std::generic_category().message(EACCES)),
                     EACCES);
}

/// Gives the file the access list (acl(5)) of `like`, or none if that has none, whatever its
/// directory has for new files. False where it still has another.
bool copy_access_list(const Path& like, const Descriptor& file) {
  std::vector<char> list(XATTR_SIZE_MAX);
  const ssize_t size = ::getxattr(like.c_str(), kAccessList, list.data(), list.size());
  if (size > kListOfMode) {
    return ::fsetxattr(file.get(), kAccessList, list.data(), static_cast<std::size_t>(size), 0) ==
           0;
  }
  return ::fgetxattr(file.get(), kAccessList, nullptr, 0) <= kListOfMode ||
         ::fremovexattr(file.get(), kAccessList) == 0;
}

}  // namespace

bool is_posix_write_protected(const Path& path) {
  while (::faccessat(AT_FDCWD, path.c_str(), W_OK, AT_EACCESS) != 0) {
    // Any other error may be one of containers that do not know the call.
    if (errno != EINTR) return errno == EACCES;
  }
  return false;
}

void create_posix_like(const Path& like, const Path& path) {
  const struct stat wanted = status_of_file(like);
  require_writable(like);
  const Descriptor file(checked_for_room("open", path, [&] {
    return ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  }));
  mode_t mode = (wanted.st_mode & 0066U) | 0600U;
  if (status_of(file, path).st_gid != wanted.st_gid &&
      ::fchown(file.get(), kSameOwner, wanted.st_gid) != 0) {
    // Where it cannot have the other's group, its own is one of all others.
    mode = (mode & ~mode_t{0060}) | ((mode & 0006U) << 3U);
  } else if (!copy_access_list(like, file)) {
    // Beside a list these bits are not the group's, but the most that the list gives to anybody.
    mode &= ~mode_t{0060};
  }
  const mode_t made = status_of(file, path).st_mode;
  // Some file systems have no modes to set: an error only if others may do more for it.
  if ((made & 0777U) != mode && ::fchmod(file.get(), mode) != 0 && (made & 0066U & ~mode) != 0) {
    raise_posix("fchmod", path, errno);
  }
}

}  // namespace lamina::storage
