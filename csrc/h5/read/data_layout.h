#pragma once
#include <lamina/shape.h>

#include <cstdint>
#include <span>
#include <vector>

#include "h5/read/cursor.h"

namespace lamina::h5 {

/// How a dataset's elements are stored: the data layout message (versions 3 to 5).
struct DataLayout {
  enum class Kind : std::uint8_t { kCompact, kContiguous, kChunked, kVirtual };
  enum class Index : std::uint8_t {
    kBTree1,
    kSingle,
    kImplicit,
    kFixedArray,
    kExtensibleArray,
    kBTree2
  };

  Kind kind = Kind::kContiguous;
  std::uint64_t address = kUndefined;  ///< of the elements, or of the chunks' index
  std::uint64_t size = 0;              ///< bytes stored, compact and contiguous
  std::vector<std::byte> compact;      ///< the elements themselves

  Index index = Index::kBTree1;
  std::vector<std::uint64_t> chunk;  ///< dimensions of a chunk, in elements
  std::uint64_t chunk_bytes = 0;
  bool filtered_single = false;   ///< the one chunk's size and mask follow
  std::uint64_t single_size = 0;  ///< stored bytes
  std::uint32_t single_mask = 0;
  bool partial_unfiltered = false;  ///< chunks over the edge are stored without filters
};

[[nodiscard]] DataLayout read_data_layout(std::span<const std::byte> message, Widths widths);

}  // namespace lamina::h5
