#pragma once
#include <lamina/shape.h>

#include "h5/cursor.h"

namespace lamina::h5 {

/// The shape in a dataspace message (versions 1 and 2). Throws Malformed for a null dataspace.
/// `maximum`, where given, receives the largest dimensions; kUndefined for unlimited ones.
[[nodiscard]] Shape read_dataspace(std::span<const std::byte> message, Widths widths,
                                   std::vector<std::uint64_t>* maximum = nullptr);

/// Bytes of `shape` elements of `element` bytes. Throws Malformed when that passes 2^63.
[[nodiscard]] std::uint64_t byte_count(const Shape& shape, std::uint64_t element);

}  // namespace lamina::h5
