#pragma once
#include <unordered_map>
#include <vector>

#include "h5/read/metadata.h"

namespace lamina::h5 {

/// A heap in which newer files keep what does not fit into an object header: links, attributes.
/// Objects in its blocks and in their ids are read; blocks through filters and huge objects are
/// not.
class FractalHeap {
 public:
  FractalHeap(Metadata& metadata, std::uint64_t header);

  /// The object that an id names. Throws Malformed when it is not within the heap.
  [[nodiscard]] std::vector<std::byte> object(std::span<const std::byte> id);

 private:
  struct Place {
    std::uint64_t address, size;  ///< of a direct block
    std::uint64_t offset;         ///< within it
  };

  void read_shape(Cursor& cursor);
  [[nodiscard]] std::uint64_t row_size(unsigned row) const;
  [[nodiscard]] Place locate(std::uint64_t offset);
  [[nodiscard]] const std::vector<std::byte>& direct_block(std::uint64_t address,
                                                           std::uint64_t size);
  [[nodiscard]] const std::vector<std::byte>& indirect_block(std::uint64_t address, unsigned rows);
  const std::vector<std::byte>& keep(std::uint64_t address, std::vector<std::byte> block);

  Metadata& metadata_;
  std::uint64_t header_;
  std::size_t id_size_ = 0;
  std::size_t offset_width_ = 0, length_width_ = 0;  ///< bytes in an id
  bool checksums_ = false;                           ///< of direct blocks
  /// The doubling table: rows of `width_` blocks; rows 0 and 1 have the starting size, each further
  /// row twice as much; from row `direct_rows_` on, blocks are tables themselves.
  std::uint64_t width_ = 0, start_size_ = 0;
  unsigned direct_rows_ = 0;
  std::uint64_t root_ = kUndefined;
  unsigned root_rows_ = 0;  ///< 0: the root is a direct block
  std::unordered_map<std::uint64_t, std::vector<std::byte>> blocks_;
};

}  // namespace lamina::h5
