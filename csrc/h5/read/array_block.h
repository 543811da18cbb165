#pragma once
#include "h5/read/chunk_array.h"

namespace lamina::h5 {

/// What the blocks of fixed and extensible arrays have in common.
struct ArrayBlocks {
  Metadata& metadata;
  std::uint64_t header;  ///< address, which each block repeats
  std::size_t element_size;
  std::uint64_t page_elements;  ///< a block of more elements is cut into pages

  [[nodiscard]] std::uint64_t pages(std::uint64_t elements) const;
  /// Visits `count` elements at the cursor, numbered from `first`.
  void visit_elements(Cursor& cursor, std::uint64_t first, std::uint64_t count,
                      const ElementVisitor& visit) const;
  /// Visits the pages at `address` whose bits are set, from bit `first_bit` on; each has its
  /// checksum.
  void visit_pages(std::uint64_t address, std::span<const std::byte> initialised,
                   std::uint64_t first_bit, std::uint64_t first, std::uint64_t count,
                   const ElementVisitor& visit) const;
  /// Checks the start of a block, up to the address of the header.
  void expect_block(Cursor& cursor, const char (&signature)[5]) const;
};

}  // namespace lamina::h5
