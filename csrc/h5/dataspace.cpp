#include "h5/dataspace.h"

#include <limits>

namespace lamina::h5 {
namespace {

constexpr unsigned kMostDimensions = 32;
constexpr unsigned kHasMaximum = 0x01;

}  // namespace

Shape read_dataspace(std::span<const std::byte> message, Widths widths,
                     std::vector<std::uint64_t>* maximum) {
  Cursor cursor(message);
  const unsigned version = cursor.u8();
  if (version != 1 && version != 2) malformed("version {} of a dataspace is not known", version);
  const unsigned rank = cursor.u8();
  const unsigned flags = cursor.u8();
  if (rank > kMostDimensions) malformed("a shape of {} dimensions", rank);
  if (version == 1) {
    cursor.skip(5);
  } else if (cursor.u8() == 2) {
    malformed("a dataset without a shape (null dataspace)");
  }
  Shape shape;
  for (unsigned i = 0; i < rank; ++i) {
    const std::uint64_t dim = cursor.length(widths);
    if (dim > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
      malformed("a dimension of {}", dim);
    }
    shape.push_back(static_cast<std::int64_t>(dim));
  }
  if (maximum == nullptr) return shape;
  for (const std::int64_t dim : shape) {
    const auto same = static_cast<std::uint64_t>(dim);
    maximum->push_back(flags & kHasMaximum ? cursor.address({widths.length, widths.length}) : same);
  }
  return shape;
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
