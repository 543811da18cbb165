#pragma once
#include "storage/storage.h"

namespace lamina::storage {

/// Gives the bytes of the file `from` the name `to` too, which must be free: a second name or,
/// where the file system has no such thing, a copy, which nobody may read who may not read `from`,
/// and whose bytes are then on stable storage. Throws StorageError, and may leave a part of a copy.
void link_or_copy(const Path& from, const Path& to, Storage& storage);

}  // namespace lamina::storage
