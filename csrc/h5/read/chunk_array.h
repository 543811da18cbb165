#pragma once
#include <functional>

#include "h5/read/metadata.h"

namespace lamina::h5 {

/// Receives the number of an element and its bytes.
using ElementVisitor = std::function<void(std::uint64_t, std::span<const std::byte>)>;

/// Visits the elements of a fixed array: the index of chunks when no dimension is unlimited.
/// Blocks' checksums are verified. Throws Malformed for an array of more than `most` elements.
void walk_fixed_array(Metadata& metadata, std::uint64_t header, std::uint64_t most,
                      const ElementVisitor& visit);

/// The same for an extensible array: the index of chunks when one dimension is unlimited.
void walk_extensible_array(Metadata& metadata, std::uint64_t header, const ElementVisitor& visit);

}  // namespace lamina::h5
