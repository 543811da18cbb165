#include <lamina/error.h>

#include <cerrno>
#include <exception>

#include "storage/storage.h"

namespace lamina::storage {
namespace {

/// So that the next call does not take it for one that is durable. Another may use it by now.
void remove_again(const Path& directory, Storage& storage) {
  try {
    storage.remove_directory(directory);
  } catch (const StorageError&) {
    // The failure to report is the one on its way.
  }
}

}  // namespace

void remove_all(const Path& path, Storage& storage) {
  std::exception_ptr refusal;
  try {
    return storage.remove(path);
  } catch (const StorageError& error) {
    // Linux says EISDIR of a directory, POSIX EPERM, as both do of a file that is another's.
    if (error.code() != EISDIR && error.code() != EPERM) throw;
    refusal = std::current_exception();
  }
  try {
    for (const std::string& name : storage.list(path)) remove_all(path / name, storage);
  } catch (const StorageError& error) {
    if (error.code() == ENOTDIR) std::rethrow_exception(refusal);
    throw;
  }
  storage.remove_directory(path);
}

void create_directories(const Path& path, Storage& storage) {
  if (path.empty()) return;
  if (storage.exists(path)) return storage.sync_parents(path);
  create_directories(path.parent_path(), storage);
  storage.create_directory(path);
  try {
    storage.sync_directory(path.has_parent_path() ? path.parent_path() : ".");
  } catch (...) {
    remove_again(path, storage);
    throw;
  }
}

}  // namespace lamina::storage
