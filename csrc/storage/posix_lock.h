#pragma once
#include "storage/storage.h"

namespace lamina::storage {

/// Why flock on a file of its own: the kernel gives it back however the holder ends; it holds
/// between containers and, on NFS, between machines, where process ids mean nothing; and unlike
/// fcntl's locks it also holds between the threads of one process.
[[nodiscard]] std::unique_ptr<Lock> try_posix_lock(const Path& path);

}  // namespace lamina::storage
