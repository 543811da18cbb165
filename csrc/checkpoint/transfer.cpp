#include "checkpoint/transfer.h"

#include <algorithm>

#include "checkpoint/parallel.h"

namespace lamina::checkpoint {
namespace {

// Large enough to keep a disk busy, small enough that two threads finish together. A multiple of
// the disk's block, so that every part of an aligned extent is aligned.
constexpr std::size_t kPart = std::size_t{16} << 20;

template <class Extent>
std::vector<Extent> divide(const std::vector<Extent>& extents) {
  std::vector<Extent> parts;
  for (const Extent& extent : extents) {
    for (std::size_t at = 0; at < extent.bytes.size(); at += kPart) {
      parts.push_back({extent.file, extent.offset + at,
                       extent.bytes.subspan(at, std::min(kPart, extent.bytes.size() - at))});
    }
  }
  return parts;
}

}  // namespace

void write_extents(const std::vector<WriteExtent>& extents, Progress& progress) {
  const std::vector<WriteExtent> parts = divide(extents);
  parallel_for(parts.size(), io_threads(), [&](std::size_t i) {
    parts[i].file->write_at(parts[i].offset, parts[i].bytes);
    progress.add(parts[i].bytes.size());
  });
}

void read_extents(const std::vector<ReadExtent>& extents, Progress& progress) {
  const std::vector<ReadExtent> parts = divide(extents);
  parallel_for(parts.size(), io_threads(), [&](std::size_t i) {
    parts[i].file->read_at(parts[i].offset, parts[i].bytes);
    progress.add(parts[i].bytes.size());
  });
}

}  // namespace lamina::checkpoint
