#pragma once
#include <string>

#include "h5/read/metadata.h"

namespace lamina::h5 {

/// `length` bytes of object `index` of the collection at `address`. Throws Malformed when there is
/// no such object, it is shorter, or longer than text has a reason to be.
[[nodiscard]] std::string read_global_heap_text(Metadata& metadata, std::uint64_t address,
                                                std::uint32_t index, std::uint32_t length);

}  // namespace lamina::h5
