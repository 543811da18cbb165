#include "h5/read/array_block.h"
#include "h5/read/checksum.h"

namespace lamina::h5 {

void walk_fixed_array(Metadata& metadata, std::uint64_t header, std::uint64_t most,
                      const ElementVisitor& visit) {
  const Widths widths = metadata.widths;
  const auto head = metadata.read(header, 12 + widths.length + widths.offset);
  Cursor cursor(verified(head, "a fixed array"));
  cursor.expect("FAHD");
  cursor.expect_version(0, "a fixed array");
  cursor.skip(1);
  const std::size_t element_size = cursor.u8();
  const unsigned page_bits = cursor.u8();
  const std::uint64_t count = cursor.length(widths);
  const std::uint64_t address = cursor.address(widths);
  if (count > most || page_bits > 32 || element_size == 0)
    malformed("a fixed array without a sensible shape");
  if (address == kUndefined) return;

  const ArrayBlocks blocks{metadata, header, element_size, std::uint64_t{1} << page_bits};
  const bool paged = count > blocks.page_elements;
  const std::uint64_t bitmap = paged ? (blocks.pages(count) + 7) / 8 : 0;
  const std::uint64_t prefix = 6 + widths.offset;
  if (!paged && count > metadata.size()) malformed("a fixed array of {} elements", count);
  const std::uint64_t size = prefix + (paged ? bitmap : count * element_size) + 4;
  const auto block = metadata.read(address, size);
  Cursor body(verified(block, "a fixed array"));
  blocks.expect_block(body, "FADB");
  if (paged) {
    blocks.visit_pages(address + size, body.take(bitmap), 0, 0, count, visit);
  } else {
    blocks.visit_elements(body, 0, count, visit);
  }
}

}  // namespace lamina::h5
