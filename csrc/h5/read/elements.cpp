#include "h5/read/elements.h"

#include <algorithm>

#include "h5/read/chunk_index.h"

namespace lamina::h5 {
namespace {

void fill_with(std::span<const std::byte> element, std::span<std::byte> out) {
  if (element.empty()) {
    std::fill(out.begin(), out.end(), std::byte{0});
    return;
  }
  for (std::size_t at = 0; at < out.size(); at += element.size()) {
    std::copy(element.begin(), element.end(), out.begin() + static_cast<std::ptrdiff_t>(at));
  }
}

/// Copies the part of a chunk that lies within the shape, one innermost row at a time.
void copy_chunk(const DatasetInfo& info, const Chunk& chunk, std::span<const std::byte> bytes,
                std::span<std::byte> out) {
  const std::size_t rank = info.shape.rank(), element = info.type.size;
  std::vector<std::uint64_t> extent(rank), at(rank, 0);
  for (std::size_t i = 0; i < rank; ++i) {
    const auto dim = static_cast<std::uint64_t>(info.shape.dims()[i]);
    extent[i] = std::min(info.layout.chunk[i], dim - chunk.offset[i]);
  }
  const std::size_t row = extent[rank - 1] * element;
  for (;;) {
    std::uint64_t from = 0, to = 0;
    for (std::size_t i = 0; i < rank; ++i) {
      from = from * info.layout.chunk[i] + at[i];
      to = to * static_cast<std::uint64_t>(info.shape.dims()[i]) + chunk.offset[i] + at[i];
    }
    std::copy_n(bytes.data() + from * element, row, out.data() + to * element);
    std::size_t axis = rank - 1;  // the innermost axis went with the row
    do {
      if (axis == 0) return;
      --axis;
      if (++at[axis] < extent[axis]) break;
      at[axis] = 0;
    } while (true);
  }
}

bool lies_over_the_edge(const DatasetInfo& info, const Chunk& chunk) {
  for (std::size_t i = 0; i < info.shape.rank(); ++i) {
    if (info.layout.chunk[i] > static_cast<std::uint64_t>(info.shape.dims()[i]) - chunk.offset[i])
      return true;
  }
  return false;
}

void read_chunks(const storage::ReadableFile& file, Metadata& metadata, const DatasetInfo& info,
                 std::span<std::byte> out) {
  const DataLayout& layout = info.layout;
  // Filters make data smaller, or hardly larger.
  const std::uint64_t largest =
      layout.chunk_bytes + (info.pipeline.empty() ? 0 : layout.chunk_bytes / 8 + 1024);
  static const Pipeline kNoFilters;
  for_each_chunk(metadata, info, [&](const Chunk& chunk) {
    if (chunk.size > largest)
      malformed("a chunk of {} bytes stored in {}", layout.chunk_bytes, chunk.size);
    std::vector<std::byte> stored(chunk.size);
    file.read_at(metadata.base() + chunk.address, stored);
    const bool plain = layout.partial_unfiltered && lies_over_the_edge(info, chunk);
    const auto bytes = undo_filters(plain ? kNoFilters : info.pipeline, chunk.skipped,
                                    std::move(stored), layout.chunk_bytes);
    copy_chunk(info, chunk, bytes, out);
  });
}

void swap_bytes(std::size_t size, std::span<std::byte> elements) {
  for (std::size_t at = 0; at < elements.size(); at += size) {
    std::reverse(elements.data() + at, elements.data() + at + size);
  }
}

}  // namespace

void read_elements(const storage::ReadableFile& file, Metadata& metadata, const DatasetInfo& info,
                   std::span<std::byte> out) {
  const DataLayout& layout = info.layout;
  if (out.empty()) return;
  if (layout.kind == DataLayout::Kind::kCompact) {
    std::copy_n(layout.compact.data(), out.size(), out.data());
  } else if (layout.address == kUndefined) {
    fill_with(info.fill, out);
  } else if (layout.kind == DataLayout::Kind::kContiguous) {
    file.read_at(metadata.base() + layout.address, out);
  } else {
    fill_with(info.fill, out);
    read_chunks(file, metadata, info, out);
  }
}

void make_native(const Datatype& type, std::span<std::byte> elements) {
  if (type.big_endian && type.size > 1) swap_bytes(type.size, elements);
  if (type.dtype != DType::kBool) return;
  for (std::byte& element : elements) element = std::byte{element != std::byte{0}};
}

}  // namespace lamina::h5
