#include <fcntl.h>
#include <lamina/error.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <system_error>

#include "storage/posix_file.h"
#include "storage/posix_like.h"
#include "storage/posix_lock.h"
#include "storage/posix_parents.h"
#include "storage/posix_remove.h"

namespace lamina::storage {

void raise_posix(const char* call, const Path& path, int code) {
  const std::string message = std::string(call) + " failed for '" + path.string() +
                              "': " + std::generic_category().message(code);
  if (code == ENOENT) throw FileNotFoundError(message, code);
  throw StorageError(message, code);
}

namespace {

class PosixStorage final : public Storage {
 public:
  std::unique_ptr<ReadableFile> open(const Path& path) override {
    return std::make_unique<PosixReadableFile>(path);
  }

  std::unique_ptr<WritableFile> create(const Path& path) override {
    return std::make_unique<PosixWritableFile>(path);
  }

  void create_like(const Path& like, const Path& path) override { create_posix_like(like, path); }

  bool exists(const Path& path) override {
    struct stat status {};
    return checked("stat", path, [&] {
             if (::stat(path.c_str(), &status) == 0) return 1;
             return errno == ENOENT || errno == ENOTDIR ? 0 : -1;
           }) == 1;
  }

  bool link(const Path& from, const Path& to) override {
    return checked_for_room("link", to, [&] {
             if (::link(from.c_str(), to.c_str()) == 0) return 1;
             // EXDEV: in a directory whose quota is that of another project than the file's.
             const bool none = errno == EPERM || errno == EOPNOTSUPP || errno == ENOSYS ||
                               errno == EMLINK || errno == EXDEV;
             return none ? 0 : -1;
           }) == 1;
  }

  void rename(const Path& from, const Path& to) override {
    checked_for_room("rename", to, [&] { return std::rename(from.c_str(), to.c_str()); });
  }

  bool exchange(const Path& a, const Path& b) override {
    return checked("renameat2", b, [&] {
             const auto flags = RENAME_EXCHANGE;
             if (::renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), flags) == 0) return 1;
             // EPERM is what containers say of calls that they do not know.
             const bool none =
                 errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP || errno == EPERM;
             return none ? 0 : -1;
           }) == 1;
  }

  void remove(const Path& path) override { remove_file(path); }

  void create_directory(const Path& path) override {
    checked_for_room("mkdir", path, [&] {
      if (::mkdir(path.c_str(), 0777) == 0) return 0;
      const int code = errno;
      struct stat status {};
      const bool is_there = code == EEXIST && ::stat(path.c_str(), &status) == 0;
      errno = code;
      return is_there && S_ISDIR(status.st_mode) ? 0 : -1;
    });
  }

  void remove_directory(const Path& path) override {
    checked("rmdir", path, [&] { return ::rmdir(path.c_str()); });
  }

  std::vector<std::string> list(const Path& directory) override {
    std::vector<std::string> names;
    std::error_code code;
    do {
      names.clear();
      code.clear();
      std::filesystem::directory_iterator entry(directory, code), end;
      for (; !code && entry != end; entry.increment(code)) {
        names.push_back(entry->path().filename().string());
      }
    } while (code.value() == EINTR);
    if (code) raise_posix("readdir", directory, code.value());
    std::sort(names.begin(), names.end());
    return names;
  }

  std::unique_ptr<Lock> try_lock(const Path& path) override { return try_posix_lock(path); }

  void sync_directory(const Path& directory) override {
    const Descriptor fd(checked("open", directory, [&] {
      return ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }));
    while (::fsync(fd.get()) != 0) {
      if (errno == EINTR) continue;
      // Some file systems sync no directories; there a rename is as durable as it can be.
      if (errno == EINVAL || errno == ENOTSUP) return;
      raise_posix("fsync", directory, errno);
    }
  }

  void sync_parents(const Path& directory) override { sync_posix_parents(directory); }

  bool is_write_protected(const Path& path) override { return is_posix_write_protected(path); }
};

}  // namespace

Storage& posix() {
  static PosixStorage instance;
  return instance;
}

}  // namespace lamina::storage
