#include "h5/read/dataspace.h"

#include <limits>

namespace lamina::h5 {
namespace {

constexpr unsigned kMostDimensions = 32;
constexpr unsigned kHasMaximum = 0x01;

/// What stands before the dimensions.
struct Head {
  unsigned rank, flags;

  explicit Head(Cursor& cursor) {
    const unsigned version = cursor.u8();
    if (version != 1 && version != 2) malformed("version {} of a dataspace is not known", version);
    rank = cursor.u8();
    flags = cursor.u8();
    if (rank > kMostDimensions) malformed("a shape of {} dimensions", rank);
    if (version == 1) {
      cursor.skip(5);
    } else if (cursor.u8() == 2) {
      malformed("a dataset without a shape (null dataspace)");
    }
  }
};

}  // namespace

Shape read_dataspace(std::span<const std::byte> message, Widths widths) {
  Cursor cursor(message);
  const Head head(cursor);
  std::vector<std::int64_t> dims;
  dims.reserve(head.rank);
  for (unsigned i = 0; i < head.rank; ++i) {
    const std::uint64_t dim = cursor.length(widths);
    if (dim > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
      malformed("a dimension of {}", dim);
    }
    dims.push_back(static_cast<std::int64_t>(dim));
  }
  return Shape(std::move(dims));
}

std::vector<std::uint64_t> read_largest_dimensions(std::span<const std::byte> message,
                                                   Widths widths) {
  Cursor cursor(message);
  const Head head(cursor);
  // They follow the dimensions, and are those where the message has no others.
  const bool stated = head.flags & kHasMaximum;
  if (stated) cursor.skip(std::size_t{head.rank} * widths.length);
  std::vector<std::uint64_t> out;
  out.reserve(head.rank);
  for (unsigned i = 0; i < head.rank; ++i) {
    out.push_back(stated ? cursor.address({widths.length, widths.length}) : cursor.length(widths));
  }
  return out;
}

std::uint64_t byte_count(const Shape& shape, std::uint64_t element) {
  std::int64_t total = 1;
  bool empty = false;
  bool overflow = __builtin_mul_overflow(total, element, &total);
  for (const std::int64_t dim : shape) {
    empty |= dim == 0;
    if (dim != 0) overflow |= __builtin_mul_overflow(total, dim, &total);
  }
  if (overflow) malformed("the shape {} declares more bytes than can be counted", shape.str());
  return empty ? 0 : static_cast<std::uint64_t>(total);
}

}  // namespace lamina::h5
