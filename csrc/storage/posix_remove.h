#pragma once
#include "storage/storage.h"

namespace lamina::storage {

/// How many removed files at most are held until their space is given back: each is a descriptor.
inline constexpr std::size_t kMostHeld = 64;

/// Removes the name at once. What a large file occupied is given back by a thread of its own, or at
/// once where `kMostHeld` are held: a file system that tells its disk of every freed block (ext4
/// with `discard`) takes an eighth of a second a gigabyte to do that.
void remove_file(const Path& path);

/// Waits for the space of files that were removed; false when there is nothing to wait for.
bool wait_for_freed_space();

/// How often such space has come back so far. Who finds no room, and nothing to wait for any more,
/// tries again if this has changed since before: another was faster.
[[nodiscard]] std::uint64_t times_freed();

}  // namespace lamina::storage
