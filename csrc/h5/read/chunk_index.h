#pragma once
#include <functional>

#include "h5/read/dataset_info.h"

namespace lamina::h5 {

/// A stored piece of a chunked dataset.
struct Chunk {
  std::vector<std::uint64_t> offset;  ///< of its first element, in elements; within the shape
  std::uint64_t address = 0;          ///< within the file, with all of its `size` bytes
  std::uint64_t size = 0;             ///< stored
  std::uint32_t skipped = 0;          ///< filters that it did not go through
};

/// Chunks that the shape is cut into, stored or not.
[[nodiscard]] std::uint64_t chunk_count(const DatasetInfo& info);

/// Visits the stored chunks, each at most once in number. Throws Malformed for an index that is
/// damaged.
void for_each_chunk(Metadata& metadata, const DatasetInfo& info,
                    const std::function<void(const Chunk&)>& visit);

}  // namespace lamina::h5
