#include <lamina/error.h>

#include <cerrno>

#include "storage/storage.h"

namespace lamina::storage {

void remove_all(const Path& path, Storage& storage) {
  try {
    storage.remove(path);
    return;
  } catch (const StorageError& error) {
    // Linux says EISDIR of a directory, POSIX EPERM.
    if (error.code() != EISDIR && error.code() != EPERM) throw;
  }
  for (const std::string& name : storage.list(path)) remove_all(path / name, storage);
  storage.remove_directory(path);
}

void create_directories(const Path& path, Storage& storage) {
  if (path.empty() || storage.exists(path)) return;
  create_directories(path.parent_path(), storage);
  storage.create_directory(path);
  storage.sync_directory(path.has_parent_path() ? path.parent_path() : ".");
}

}  // namespace lamina::storage
