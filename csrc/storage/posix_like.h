#pragma once
#include "storage/storage.h"

namespace lamina::storage {

/// See Storage::is_write_protected.
[[nodiscard]] bool is_posix_write_protected(const Path& path);
/// See Storage::create_like.
void create_posix_like(const Path& like, const Path& path);

}  // namespace lamina::storage
