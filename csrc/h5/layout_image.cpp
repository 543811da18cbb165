#include "h5/layout_image.h"

#include <algorithm>
#include <cstring>
#include <iterator>

namespace lamina::h5 {

void SparseImage::write(std::uint64_t offset, std::span<const std::byte> bytes) {
  if (bytes.empty()) return;
  const std::uint64_t end = offset + bytes.size();
  auto first = pieces_.upper_bound(offset);
  if (first != pieces_.begin()) {
    const auto before = std::prev(first);
    const std::uint64_t before_end = before->first + before->second.size();
    if (before_end >= end) {  // the usual case: an object of metadata written again
      std::memcpy(before->second.data() + (offset - before->first), bytes.data(), bytes.size());
      return;
    }
    if (before_end > offset) first = before;
  }
  // One piece takes the place of all that the new bytes touch.
  auto last = first;
  std::uint64_t start = offset, stop = end;
  for (; last != pieces_.end() && last->first < end; ++last) {
    start = std::min(start, last->first);
    stop = std::max(stop, last->first + last->second.size());
  }
  std::vector<std::byte> merged(stop - start);
  for (auto piece = first; piece != last; ++piece) {
    std::memcpy(merged.data() + (piece->first - start), piece->second.data(), piece->second.size());
  }
  std::memcpy(merged.data() + (offset - start), bytes.data(), bytes.size());
  pieces_.erase(first, last);
  pieces_.emplace(start, std::move(merged));
}

void SparseImage::read(std::uint64_t offset, std::span<std::byte> out) const {
  std::fill(out.begin(), out.end(), std::byte{0});
  const std::uint64_t end = offset + out.size();
  auto piece = pieces_.upper_bound(offset);
  if (piece != pieces_.begin()) --piece;
  for (; piece != pieces_.end() && piece->first < end; ++piece) {
    const std::uint64_t from = std::max(piece->first, offset);
    const std::uint64_t to = std::min(piece->first + piece->second.size(), end);
    if (from >= to) continue;
    std::memcpy(out.data() + (from - offset), piece->second.data() + (from - piece->first),
                to - from);
  }
}

}  // namespace lamina::h5
