// An extensible array has an index block with the first elements, then blocks of elements in
// groups: group u has 2^(u/2) blocks of 2^((u+1)/2) times the least number of elements. The blocks
// of the first groups are listed in the index block, those of later ones in a secondary block each.
#include <bit>

#include "h5/read/array_block.h"
#include "h5/read/checksum.h"

namespace lamina::h5 {
namespace {

constexpr unsigned kMostBits = 48;  ///< of the number of an element

class ExtensibleArray {
 public:
  ExtensibleArray(Metadata& metadata, std::uint64_t header, const ElementVisitor& visit)
      : metadata_(metadata), blocks_{metadata, header, 0, 1}, visit_(visit) {}

  void walk() {
    const std::uint64_t index_block = read_header();
    if (index_block != kUndefined) read_index_block(index_block);
  }

 private:
  [[nodiscard]] std::uint64_t group_blocks(unsigned group) const {
    return std::uint64_t{1} << group / 2;
  }
  [[nodiscard]] std::uint64_t block_elements(unsigned group) const {
    return least_elements_ << (group + 1) / 2;
  }
  /// Signature, version, client, header; then the block's place in the array.
  [[nodiscard]] std::uint64_t prefix() const { return 6 + metadata_.widths.offset + offset_width_; }

  std::uint64_t read_header() {
    const Widths widths = metadata_.widths;
    const auto head = metadata_.read(blocks_.header, 16 + 6 * widths.length + widths.offset);
    Cursor cursor(verified(head, "an extensible array"));
    cursor.expect("EAHD");
    cursor.expect_version(0, "an extensible array");
    cursor.skip(1);
    blocks_.element_size = cursor.u8();
    const unsigned bits = cursor.u8();
    first_elements_ = cursor.u8();
    least_elements_ = cursor.u8();
    const unsigned least_pointers = cursor.u8();
    const unsigned page_bits = cursor.u8();
    const bool sensible = blocks_.element_size != 0 && bits <= kMostBits && page_bits <= bits &&
                          std::has_single_bit(least_elements_) &&
                          std::has_single_bit(least_pointers) &&
                          std::bit_width(least_elements_) <= bits;
    if (!sensible) malformed("an extensible array without a sensible shape");
    offset_width_ = (bits + 7) / 8;
    blocks_.page_elements = std::uint64_t{1} << page_bits;
    groups_ = 2 + bits - static_cast<unsigned>(std::bit_width(least_elements_));
    direct_groups_ = 2 * (static_cast<unsigned>(std::bit_width(least_pointers)) - 1);
    if (direct_groups_ > groups_) malformed("an extensible array without a sensible shape");
    cursor.skip(std::size_t{6} * widths.length);  // counts
    return cursor.address(widths);
  }

  void read_index_block(std::uint64_t address) {
    const std::size_t pointer = metadata_.widths.offset;
    std::uint64_t direct = 0;
    for (unsigned group = 0; group < direct_groups_; ++group) direct += group_blocks(group);
    const std::uint64_t pointers = direct + (groups_ - direct_groups_);
    const auto block = metadata_.read(
        address, 6 + pointer + first_elements_ * blocks_.element_size + pointers * pointer + 4);
    Cursor cursor(verified(block, "an extensible array"));
    blocks_.expect_block(cursor, "EAIB");
    blocks_.visit_elements(cursor, 0, first_elements_, visit_);
    std::uint64_t next = first_elements_;
    for (unsigned group = 0; group < groups_; ++group) {
      if (group >= direct_groups_) {
        read_secondary_block(cursor.address(metadata_.widths), group, next);
      } else {
        for (std::uint64_t i = 0; i < group_blocks(group); ++i) {
          read_block(cursor.address(metadata_.widths), block_elements(group), {}, 0,
                     next + i * block_elements(group));
        }
      }
      next += group_blocks(group) * block_elements(group);
    }
  }

  void read_secondary_block(std::uint64_t address, unsigned group, std::uint64_t next) {
    if (address == kUndefined) return;
    const std::uint64_t count = group_blocks(group), elements = block_elements(group);
    const std::uint64_t bitmap =
        elements > blocks_.page_elements ? (blocks_.pages(elements) + 7) / 8 : 0;
    const auto block =
        metadata_.read(address, prefix() + count * (bitmap + metadata_.widths.offset) + 4);
    Cursor cursor(verified(block, "an extensible array"));
    blocks_.expect_block(cursor, "EASB");
    cursor.skip(offset_width_);
    // One bit a page, without gaps between blocks, though room is made for whole bytes.
    const auto initialised = cursor.take(count * bitmap);
    const std::uint64_t pages = blocks_.pages(elements);
    for (std::uint64_t i = 0; i < count; ++i) {
      read_block(cursor.address(metadata_.widths), elements, initialised, i * pages,
                 next + i * elements);
    }
  }

  void read_block(std::uint64_t address, std::uint64_t elements,
                  std::span<const std::byte> initialised, std::uint64_t first_bit,
                  std::uint64_t next) {
    if (address == kUndefined) return;
    const bool paged = elements > blocks_.page_elements;
    if (paged && initialised.empty()) malformed("an extensible array without a sensible shape");
    const std::uint64_t size = prefix() + (paged ? 0 : elements * blocks_.element_size) + 4;
    const auto block = metadata_.read(address, size);
    Cursor cursor(verified(block, "an extensible array"));
    blocks_.expect_block(cursor, "EADB");
    cursor.skip(offset_width_);
    if (paged) {
      blocks_.visit_pages(address + size, initialised, first_bit, next, elements, visit_);
    } else {
      blocks_.visit_elements(cursor, next, elements, visit_);
    }
  }

  Metadata& metadata_;
  ArrayBlocks blocks_;
  const ElementVisitor& visit_;
  std::uint64_t first_elements_ = 0, least_elements_ = 0;
  std::size_t offset_width_ = 0;
  unsigned groups_ = 0, direct_groups_ = 0;
};

}  // namespace

void walk_extensible_array(Metadata& metadata, std::uint64_t header, const ElementVisitor& visit) {
  ExtensibleArray(metadata, header, visit).walk();
}

}  // namespace lamina::h5
