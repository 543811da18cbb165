#include "h5/read/chunk_index.h"

#include <algorithm>

#include "h5/read/btree1.h"
#include "h5/read/btree2.h"
#include "h5/read/chunk_array.h"

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

/// Numbers chunks as arrays of them do: row by row over the largest shape, an unlimited dimension
/// outermost.
class Grid {
 public:
  explicit Grid(const DatasetInfo& info) : chunk_(info.layout.chunk) {
    for (std::size_t i = 0; i < chunk_.size(); ++i) {
      const std::uint64_t most = info.maximum[i];
      counts_.push_back(most == kUndefined ? kUndefined
                                           : most / chunk_[i] + (most % chunk_[i] != 0));
      axes_.push_back(i);
    }
    const auto unlimited = std::find(counts_.begin(), counts_.end(), kUndefined) - counts_.begin();
    if (unlimited < std::ssize(counts_)) {
      std::rotate(axes_.begin(), axes_.begin() + unlimited, axes_.begin() + unlimited + 1);
    }
    for (const std::size_t axis : axes_) {
      if (counts_[axis] == 0 || (counts_[axis] == kUndefined && axis != axes_[0]))
        malformed("a shape that no chunk index fits");
    }
  }

  /// Chunks of the largest shape; as many as can be counted when it is unlimited.
  [[nodiscard]] std::uint64_t size() const {
    std::uint64_t total = 1;
    for (const std::uint64_t count : counts_) {
      if (__builtin_mul_overflow(total, count, &total)) return kUndefined;
    }
    return total;
  }

  void locate(std::uint64_t index, std::vector<std::uint64_t>& offset) const {
    for (std::size_t i = axes_.size(); i-- > 0;) {
      const std::size_t axis = axes_[i];
      const std::uint64_t at = i == 0 ? index : index % counts_[axis];
      if (__builtin_mul_overflow(at, chunk_[axis], &offset[axis]))
        malformed("a chunk outside of every shape");
      index /= i == 0 ? 1 : counts_[axis];
    }
  }

 private:
  const std::vector<std::uint64_t>& chunk_;
  std::vector<std::uint64_t> counts_;
  std::vector<std::size_t> axes_;  ///< outermost first
};

/// A chunk in an array: its address, and with filters its size and the filters that it skipped.
void read_array_element(Cursor cursor, const Metadata& metadata, const DatasetInfo& info,
                        Chunk& chunk) {
  chunk.address = cursor.address(metadata.widths);
  chunk.size = info.layout.chunk_bytes;
  chunk.skipped = 0;
  if (info.pipeline.empty()) return;
  if (cursor.remaining() < 5) malformed("a chunk without its size");
  chunk.size = cursor.uint(cursor.remaining() - 4);
  chunk.skipped = cursor.u32();
}

void walk_array_chunks(Metadata& metadata, const DatasetInfo& info, Visitor& visitor) {
  const Grid grid(info);
  Chunk chunk;
  chunk.offset.resize(info.shape.rank());
  const auto visit = [&](std::uint64_t index, std::span<const std::byte> element) {
    read_array_element(Cursor(element), metadata, info, chunk);
    if (chunk.address == kUndefined) return;
    grid.locate(index, chunk.offset);
    visitor(chunk);
  };
  if (info.layout.index == DataLayout::Index::kFixedArray) {
    walk_fixed_array(metadata, info.layout.address, grid.size(), visit);
  } else {
    walk_extensible_array(metadata, info.layout.address, visit);
  }
}

void walk_implicit_chunks(Metadata& metadata, const DatasetInfo& info, Visitor& visitor) {
  const Grid grid(info);
  Chunk chunk;
  chunk.offset.resize(info.shape.rank());
  chunk.size = info.layout.chunk_bytes;
  chunk.address = info.layout.address;
  for (std::uint64_t index = 0; index < grid.size(); ++index, chunk.address += chunk.size) {
    metadata.charge(0);
    grid.locate(index, chunk.offset);
    visitor(chunk);
  }
}

void visit_single_chunk(const DatasetInfo& info, Visitor& visitor) {
  const DataLayout& layout = info.layout;
  Chunk chunk;
  chunk.offset.resize(info.shape.rank(), 0);
  chunk.address = layout.address;
  chunk.size = layout.filtered_single ? layout.single_size : layout.chunk_bytes;
  chunk.skipped = layout.single_mask;
  visitor(chunk);
}

void walk_btree2_chunks(Metadata& metadata, const DatasetInfo& info, Visitor& visitor) {
  const std::size_t rank = info.shape.rank();
  Chunk chunk;
  chunk.offset.resize(rank);
  const BTree2 kind = info.pipeline.empty() ? BTree2::kChunks : BTree2::kFilteredChunks;
  walk_btree2(metadata, info.layout.address, kind, [&](std::span<const std::byte> record) {
    if (record.size() < 8 * rank) malformed("a B-tree record that is too short");
    read_array_element(Cursor(record.first(record.size() - 8 * rank)), metadata, info, chunk);
    Cursor scaled(record.last(8 * rank));
    for (std::size_t i = 0; i < rank; ++i) {
      if (__builtin_mul_overflow(scaled.u64(), info.layout.chunk[i], &chunk.offset[i])) {
        malformed("a chunk outside of every shape");
      }
    }
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
      return visit_single_chunk(info, visitor);
    case DataLayout::Index::kImplicit:
      return walk_implicit_chunks(metadata, info, visitor);
    case DataLayout::Index::kFixedArray:
    case DataLayout::Index::kExtensibleArray:
      return walk_array_chunks(metadata, info, visitor);
    case DataLayout::Index::kBTree2:
      return walk_btree2_chunks(metadata, info, visitor);
  }
}

}  // namespace lamina::h5
