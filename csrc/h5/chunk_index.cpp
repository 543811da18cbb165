#include "h5/chunk_index.h"

#include <limits>

#include "h5/btree1.h"

namespace lamina::h5 {
namespace {

/// Checks chunks on their way from an index to the visitor.
class Visitor {
 public:
  Visitor(const Metadata& metadata, const DatasetInfo& info,
          const std::function<void(const Chunk&)>& visit)
      : metadata_(metadata), info_(info), visit_(visit), left_(chunk_count(info)) {}

  void operator()(const Chunk& chunk) {
    for (std::size_t i = 0; i < chunk.offset.size(); ++i) {
      if (chunk.offset[i] % info_.layout.chunk[i] != 0)
        malformed("a chunk that lies across others");
      if (chunk.offset[i] >= static_cast<std::uint64_t>(info_.shape.dims()[i]))
        return;  // cut off since
    }
    if (left_-- == 0) malformed("more chunks than the shape has room for");
    if (!metadata_.holds(chunk.address, chunk.size))
      malformed("a chunk reaches past the end of the file");
    visit_(chunk);
  }

 private:
  const Metadata& metadata_;
  const DatasetInfo& info_;
  const std::function<void(const Chunk&)>& visit_;
  std::uint64_t left_;
};

void walk_btree1_chunks(Metadata& metadata, const DatasetInfo& info, Visitor& visitor) {
  const std::size_t rank = info.shape.rank();
  Chunk chunk;
  chunk.offset.resize(rank);
  walk_btree1(metadata, info.layout.address, {BTree1::kChunks, 8 + 8 * (rank + 1)},
              [&](std::span<const std::byte> key, std::uint64_t address) {
                Cursor cursor(key);
                chunk.size = cursor.u32();
                chunk.skipped = cursor.u32();
                for (std::uint64_t& offset : chunk.offset) offset = cursor.u64();
                chunk.address = address;
                visitor(chunk);
              });
}

}  // namespace

std::uint64_t chunk_count(const DatasetInfo& info) {
  std::uint64_t total = 1;
  for (std::size_t i = 0; i < info.shape.rank(); ++i) {
    const std::uint64_t chunk = info.layout.chunk[i];
    const auto dim = static_cast<std::uint64_t>(info.shape.dims()[i]);
    const std::uint64_t count = dim / chunk + (dim % chunk != 0);
    if (__builtin_mul_overflow(total, count, &total)) malformed("more chunks than can be counted");
  }
  return total;
}

void for_each_chunk(Metadata& metadata, const DatasetInfo& info,
                    const std::function<void(const Chunk&)>& visit) {
  if (info.nbytes == 0 || info.layout.address == kUndefined) return;
  Visitor visitor(metadata, info, visit);
  switch (info.layout.index) {
    case DataLayout::Index::kBTree1:
      return walk_btree1_chunks(metadata, info, visitor);
    case DataLayout::Index::kSingle:
    case DataLayout::Index::kImplicit:
    case DataLayout::Index::kFixedArray:
    case DataLayout::Index::kExtensibleArray:
    case DataLayout::Index::kBTree2:
      malformed("this chunk index is not supported");
  }
}

}  // namespace lamina::h5
