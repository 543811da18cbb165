#pragma once
#include "storage/storage.h"

namespace lamina::storage {

/// See Storage::sync_parents. A file system on its disk may flush that for each, so a directory is
/// looked after once in a process.
void sync_posix_parents(const Path& directory);

}  // namespace lamina::storage
