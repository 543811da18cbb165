#include "h5/read/array_block.h"

#include <algorithm>

#include "h5/read/checksum.h"

namespace lamina::h5 {

std::uint64_t ArrayBlocks::pages(std::uint64_t elements) const {
  return elements / page_elements + (elements % page_elements != 0);
}

void ArrayBlocks::visit_elements(Cursor& cursor, std::uint64_t first, std::uint64_t count,
                                 const ElementVisitor& visit) const {
  for (std::uint64_t i = 0; i < count; ++i) visit(first + i, cursor.take(element_size));
}

void ArrayBlocks::visit_pages(std::uint64_t address, std::span<const std::byte> initialised,
                              std::uint64_t first_bit, std::uint64_t first, std::uint64_t count,
                              const ElementVisitor& visit) const {
  const std::uint64_t page_size = page_elements * element_size + 4;
  for (std::uint64_t page = 0; page < pages(count); ++page) {
    const std::uint64_t bit = first_bit + page;
    if (bit / 8 >= initialised.size()) malformed("a chunk index without a sensible shape");
    if ((std::to_integer<unsigned>(initialised[bit / 8]) & 0x80u >> bit % 8) == 0) continue;
    const std::uint64_t begin = page * page_elements;
    const std::uint64_t elements = std::min(page_elements, count - begin);
    const auto block = metadata.read(address + page * page_size, elements * element_size + 4);
    Cursor cursor(verified(block, "a page of a chunk index"));
    visit_elements(cursor, first + begin, elements, visit);
  }
}

void ArrayBlocks::expect_block(Cursor& cursor, const char (&signature)[5]) const {
  cursor.expect(signature);
  cursor.expect_version(0, "a chunk index");
  cursor.skip(1);
  if (cursor.address(metadata.widths) != header) malformed("a block of another chunk index");
}

}  // namespace lamina::h5
