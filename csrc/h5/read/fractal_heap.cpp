#include "h5/read/fractal_heap.h"

#include <algorithm>
#include <bit>

#include "h5/read/checksum.h"

namespace lamina::h5 {
namespace {

constexpr unsigned kMostHeapBits = 64;
constexpr std::uint64_t kMostWidth = 1024;
constexpr std::uint64_t kLargestDirect = 16 << 20;
constexpr std::size_t kKeptBlocks = 4096;

std::size_t bytes_for(std::uint64_t most) {
  return (std::bit_width(most) + 7) / 8;
}
unsigned log2_of(std::uint64_t value) {
  return static_cast<unsigned>(std::bit_width(value)) - 1;
}

}  // namespace

FractalHeap::FractalHeap(Metadata& metadata, std::uint64_t header)
    : metadata_(metadata), header_(header) {
  const Widths widths = metadata.widths;
  const auto block = metadata.read(header, 26 + 12 * widths.length + 3 * widths.offset);
  Cursor cursor(block);
  cursor.expect("FRHP");
  cursor.expect_version(0, "a fractal heap");
  id_size_ = cursor.u16();
  if (cursor.u16() != 0) malformed("a fractal heap through filters, which is not supported");
  (void)verified(block, "a fractal heap");
  checksums_ = cursor.u8() & 2;
  const std::uint64_t most_managed = cursor.u32();
  cursor.skip(std::size_t{2} * (widths.length + widths.offset));  // huge objects, free space
  cursor.skip(std::size_t{8} * widths.length);                    // counts
  read_shape(cursor);
  length_width_ = std::min(length_width_, bytes_for(most_managed));
  if (length_width_ == 0 || id_size_ < 1 + offset_width_ + length_width_) {
    malformed("a fractal heap with ids of {} bytes", id_size_);
  }
}

void FractalHeap::read_shape(Cursor& cursor) {
  width_ = cursor.u16();
  start_size_ = cursor.length(metadata_.widths);
  const std::uint64_t most_direct = cursor.length(metadata_.widths);
  const unsigned heap_bits = cursor.u16();
  cursor.skip(2);
  root_ = cursor.address(metadata_.widths);
  root_rows_ = cursor.u16();
  const bool powers = std::has_single_bit(width_) && std::has_single_bit(start_size_) &&
                      std::has_single_bit(most_direct);
  if (!powers || width_ > kMostWidth || start_size_ > most_direct || most_direct > kLargestDirect ||
      heap_bits == 0 || heap_bits > kMostHeapBits ||
      log2_of(start_size_) + root_rows_ > kMostHeapBits) {
    malformed("a fractal heap without a sensible shape");
  }
  direct_rows_ = log2_of(most_direct) - log2_of(start_size_) + 2;
  offset_width_ = (heap_bits + 7) / 8;
  length_width_ = bytes_for(most_direct);
}

std::vector<std::byte> FractalHeap::object(std::span<const std::byte> id) {
  constexpr unsigned kVersionBits = 0xc0, kManaged = 0, kTiny = 2;
  Cursor cursor(id);
  const unsigned flags = cursor.u8();
  const unsigned kind = flags >> 4 & 3;
  if ((flags & kVersionBits) != 0) malformed("a heap id of an unknown version");
  if (kind == kTiny) {
    const std::size_t size =
        id_size_ <= 17 ? (flags & 15) + 1 : ((flags & 15) << 8 | cursor.u8()) + 1;
    const auto bytes = cursor.take(size);
    return {bytes.begin(), bytes.end()};
  }
  if (kind != kManaged)
    malformed("an object too large for its heap's blocks, which is not supported");
  const std::uint64_t offset = cursor.uint(offset_width_);
  const std::uint64_t length = cursor.uint(length_width_);
  const Place place = locate(offset);
  if (place.offset >= place.size || length > place.size - place.offset) {
    malformed("an object across the blocks of its heap");
  }
  metadata_.charge(length);
  const auto bytes =
      std::span(direct_block(place.address, place.size)).subspan(place.offset, length);
  return {bytes.begin(), bytes.end()};
}

std::uint64_t FractalHeap::row_size(unsigned row) const {
  return row == 0 ? start_size_ : start_size_ << (row - 1);
}

/// Descends from table to table, each of fewer rows than the one before.
FractalHeap::Place FractalHeap::locate(std::uint64_t offset) {
  const std::uint64_t first_row = start_size_ * width_;
  std::uint64_t address = root_, size = start_size_;
  for (unsigned rows = root_rows_; rows != 0;) {
    const unsigned row = offset < first_row ? 0 : log2_of(offset / first_row) + 1;
    if (row >= rows) malformed("an object outside its heap");
    if (row != 0) offset -= first_row << (row - 1);
    size = row_size(row);
    const std::uint64_t entry = row * width_ + offset / size;
    offset %= size;
    Cursor table(indirect_block(address, rows));
    table.skip(5 + metadata_.widths.offset + offset_width_ + entry * metadata_.widths.offset);
    address = table.address(metadata_.widths);
    if (row < direct_rows_) break;
    if (size < first_row) malformed("a fractal heap without a sensible shape");
    rows = log2_of(size) - log2_of(first_row) + 1;
  }
  return {address, size, offset};
}

const std::vector<std::byte>& FractalHeap::keep(std::uint64_t address,
                                                std::vector<std::byte> block) {
  if (blocks_.size() >= kKeptBlocks) blocks_.clear();
  return blocks_.insert_or_assign(address, std::move(block)).first->second;
}

const std::vector<std::byte>& FractalHeap::direct_block(std::uint64_t address, std::uint64_t size) {
  const auto found = blocks_.find(address);
  if (found != blocks_.end() && found->second.size() == size) return found->second;
  const Block stored_block = metadata_.read(address, size);
  std::vector<std::byte> block(stored_block.begin(), stored_block.end());
  Cursor cursor(block);
  cursor.expect("FHDB");
  cursor.expect_version(0, "a block of a fractal heap");
  if (cursor.address(metadata_.widths) != header_) malformed("a block of another fractal heap");
  cursor.skip(offset_width_);
  if (checksums_) {
    const std::size_t at = block.size() - cursor.remaining();
    const std::uint32_t stored = cursor.u32();
    std::fill_n(block.begin() + static_cast<std::ptrdiff_t>(at), 4, std::byte{0});
#ifndef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
    if (metadata_checksum(block) != stored)
      malformed("the checksum of a fractal heap does not match");
#else
    (void)stored;  // a fuzzer would not get past it
#endif
  }
  return keep(address, std::move(block));
}

const std::vector<std::byte>& FractalHeap::indirect_block(std::uint64_t address, unsigned rows) {
  const std::size_t pointer = metadata_.widths.offset;
  const std::uint64_t size = 5 + pointer + offset_width_ + rows * width_ * pointer + 4;
  const auto found = blocks_.find(address);
  if (found != blocks_.end() && found->second.size() == size) return found->second;
  const Block stored = metadata_.read(address, size);
  std::vector<std::byte> block(stored.begin(), stored.end());
  Cursor cursor(verified(block, "a fractal heap"));
  cursor.expect("FHIB");
  cursor.expect_version(0, "a table of a fractal heap");
  if (cursor.address(metadata_.widths) != header_) malformed("a table of another fractal heap");
  return keep(address, std::move(block));
}

}  // namespace lamina::h5
