#pragma once
#include "storage/storage.h"

namespace lamina::storage {

/// See Storage::create_like.
void create_posix_like(const Path& like, const Path& path);

}  // namespace lamina::storage
