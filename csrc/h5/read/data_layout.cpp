#include "h5/read/data_layout.h"

namespace lamina::h5 {
namespace {

constexpr unsigned kMostDimensions = 33;  ///< a chunk's, the element's size included
constexpr std::uint64_t kLargestChunk = 0xffffffff;

/// `count` dimensions, of which the last is the element's size in bytes.
void read_chunk_dimensions(Cursor& cursor, unsigned count, std::size_t width, DataLayout& layout) {
  if (count < 2 || count > kMostDimensions) malformed("chunks of {} dimensions", count);
  std::uint64_t bytes = 1;
  for (unsigned i = 0; i < count; ++i) {
    const std::uint64_t dim = cursor.uint(width);
    if (dim == 0 || dim > kLargestChunk || bytes > kLargestChunk / dim)
      malformed("chunks without a sensible size");
    bytes *= dim;
    if (i + 1 < count) layout.chunk.push_back(dim);
  }
  layout.chunk_bytes = bytes;
}

void read_chunked_3(Cursor& cursor, Widths widths, DataLayout& layout) {
  const unsigned count = cursor.u8();
  layout.address = cursor.address(widths);
  read_chunk_dimensions(cursor, count, 4, layout);
}

void read_chunked_4(Cursor& cursor, Widths widths, DataLayout& layout) {
  constexpr unsigned kPartialUnfiltered = 0x01, kFilteredSingle = 0x02;
  const unsigned flags = cursor.u8();
  const unsigned count = cursor.u8();
  read_chunk_dimensions(cursor, count, cursor.u8(), layout);
  layout.partial_unfiltered = flags & kPartialUnfiltered;
  const unsigned index = cursor.u8();
  switch (index) {
    case 1:
      layout.index = DataLayout::Index::kSingle;
      layout.filtered_single = flags & kFilteredSingle;
      if (!layout.filtered_single) break;
      layout.single_size = cursor.length(widths);
      layout.single_mask = cursor.u32();
      break;
    case 2:
      layout.index = DataLayout::Index::kImplicit;
      break;
    case 3:
      layout.index = DataLayout::Index::kFixedArray;
      cursor.skip(1);
      break;
    case 4:
      layout.index = DataLayout::Index::kExtensibleArray;
      cursor.skip(5);
      break;
    case 5:
      layout.index = DataLayout::Index::kBTree2;
      cursor.skip(6);
      break;
    default:
      malformed("chunk index {} is not known", index);
  }
  layout.address = cursor.address(widths);
}

}  // namespace

DataLayout read_data_layout(std::span<const std::byte> message, Widths widths) {
  Cursor cursor(message);
  const unsigned version = cursor.u8();
  if (version < 3 || version > 5)
    malformed("version {} of a data layout is not supported", version);
  DataLayout layout;
  switch (const unsigned kind = cursor.u8()) {
    case 0: {
      layout.kind = DataLayout::Kind::kCompact;
      layout.size = cursor.u16();
      const auto bytes = cursor.take(layout.size);
      layout.compact.assign(bytes.begin(), bytes.end());
      break;
    }
    case 1:
      layout.address = cursor.address(widths);
      layout.size = cursor.length(widths);
      break;
    case 2:
      layout.kind = DataLayout::Kind::kChunked;
      version == 3 ? read_chunked_3(cursor, widths, layout)
                   : read_chunked_4(cursor, widths, layout);
      break;
    case 3:
      layout.kind = DataLayout::Kind::kVirtual;
      break;
    default:
      malformed("data layout {} is not known", kind);
  }
  return layout;
}

}  // namespace lamina::h5
