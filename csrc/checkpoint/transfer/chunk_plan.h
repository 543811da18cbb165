#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace lamina::checkpoint {

/// Bytes of some memory and where they lie in a file; `file` only tells files apart.
struct FilePlace {
  const void* file;
  std::uint64_t offset;
  std::size_t size;
};

/// A part of a place, and where it lies in a slot.
struct Piece {
  std::size_t place;  ///< index
  std::size_t place_offset;
  std::size_t slot_offset;
  std::size_t size;
};

/// Pieces that are neighbours both in the slot and in the file: one read or write.
struct Run {
  std::size_t place;  ///< index of the first; it names the file
  std::uint64_t file_offset;
  std::size_t slot_offset;
  std::size_t size;
};

/// What travels in one slot.
struct Chunk {
  std::vector<Piece> pieces;
  std::vector<Run> runs;
};

/// Cuts and gathers the places, in their order, into slots of `slot_bytes` (a multiple of
/// core::kDirectAlignment). Large pieces lie in the slot as they lie in the file, modulo that,
/// which is what O_DIRECT needs.
[[nodiscard]] std::vector<Chunk> plan_chunks(std::span<const FilePlace> places,
                                             std::size_t slot_bytes);

/// The pieces of one of a chunk's runs, in order.
[[nodiscard]] std::span<const Piece> pieces_of(const Run& run, const Chunk& chunk);

}  // namespace lamina::checkpoint
