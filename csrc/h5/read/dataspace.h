#pragma once
#include <lamina/shape.h>

#include "h5/read/cursor.h"

namespace lamina::h5 {

/// The shape in a dataspace message (versions 1 and 2). Throws Malformed for a null dataspace.
[[nodiscard]] Shape read_dataspace(std::span<const std::byte> message, Widths widths);

/// The largest dimensions that it states, kUndefined for unlimited ones.
[[nodiscard]] std::vector<std::uint64_t> read_largest_dimensions(std::span<const std::byte> message,
                                                                 Widths widths);

/// Bytes of `shape` elements of `element` bytes. Throws Malformed when that passes 2^63.
[[nodiscard]] std::uint64_t byte_count(const Shape& shape, std::uint64_t element);

}  // namespace lamina::h5
