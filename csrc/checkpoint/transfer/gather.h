#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "checkpoint/transfer/transfer.h"

namespace lamina::checkpoint {

/// Bytes in memory, which lie at `offset` of the extent that they are of.
struct WritePiece {
  std::span<const std::byte> bytes;
  std::uint64_t offset;
  TensorChecksum* checksum;  ///< the extent's
};

/// What one write call takes: bytes that follow each other in a file, from one place in memory or
/// from many.
struct WriteRun {
  storage::WritableFile* file;
  std::uint64_t offset;
  std::uint64_t size;
  std::vector<WritePiece> pieces;  ///< one after the other, `size` bytes in all
};

/// The runs of some extents, which may not overlap, in the order of files and offsets: every byte
/// once. Large extents whose bytes can be written past the page cache are divided, so that several
/// threads share them; small neighbours are put together up to 4 MiB, so that thousands of them
/// take few calls.
[[nodiscard]] std::vector<WriteRun> plan_runs(std::vector<WriteExtent> extents);

/// The longest run of several pieces: what a buffer must hold.
inline constexpr std::size_t kLongestGather = std::size_t{4} << 20;

}  // namespace lamina::checkpoint
