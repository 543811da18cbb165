#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include "core/direct_io.h"

// What a file wants of bytes that go past the page cache (O_DIRECT).
namespace lamina::storage {

struct DirectRules {
  /// Places and sizes are multiples of this, addresses in memory of `memory`.
  std::size_t file = core::kDirectAlignment;
  std::size_t memory = core::kDirectAlignment;
  /// What the page cache has of the file at least at a time, a multiple of `file`: a page of
  /// memory, or a block of a file system whose blocks are larger, such as XFS has of up to 64 KiB.
  std::size_t page = core::kDirectAlignment;
  bool possible = true;
};

/// Of an open file, as its file system tells them; where it does not, those that all known ones are
/// content with.
[[nodiscard]] DirectRules direct_rules(int fd);

/// True when the bytes can go between the memory and the disk without the page cache, as far as
/// these rules say, and it is worth it.
[[nodiscard]] bool is_aligned(std::uint64_t offset, std::span<const std::byte> bytes,
                              const DirectRules& rules);

/// A part of the bytes of one write.
struct DirectPart {
  std::size_t begin = 0, size = 0;
};

/// What of `bytes`, which are to be written at `offset`, goes past the page cache: whole pages of
/// it alone. Of one of which a part is written past the cache while another thread writes the rest
/// through it, the cache may keep what was there before, and the sync fail. Nothing where the
/// memory is not aligned there as well, or where it is not worth it.
[[nodiscard]] DirectPart direct_part(std::uint64_t offset, std::span<const std::byte> bytes,
                                     const DirectRules& rules);

}  // namespace lamina::storage
