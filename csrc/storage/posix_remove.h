#pragma once
#include <cerrno>

#include "storage/posix_call.h"
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

/// True when a call is to be tried again: it was interrupted, or found no room where the space of
/// removed files was still on its way back. `freed` is `times_freed()` of before the call.
[[nodiscard]] bool is_worth_another_try(int code, std::uint64_t freed);

/// `checked`, of a call that makes something in a directory: a removed file that is still held has
/// its inode, too, of which a disk, or a quota, may have no other.
template <class F>
auto checked_for_room(const char* call, const Path& path, F&& f) {
  for (;;) {
    const std::uint64_t freed = times_freed();
    const auto result = f();
    if (result >= 0) return result;
    if (const int code = errno; !is_worth_another_try(code, freed)) raise_posix(call, path, code);
  }
}

}  // namespace lamina::storage
