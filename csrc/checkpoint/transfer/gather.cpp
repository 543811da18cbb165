#include "checkpoint/transfer/gather.h"

#include <algorithm>
#include <functional>
#include <tuple>

#include "core/direct_io.h"

namespace lamina::checkpoint {
namespace {

using core::kDirectAlignment;

// Large enough to keep a disk busy, small enough that two threads finish together. A multiple of
// the disk's block, so that every part of an aligned extent is aligned.
constexpr std::size_t kPart = std::size_t{16} << 20;

bool before(const WriteExtent& a, const WriteExtent& b) {
  if (a.file != b.file) return std::less<>()(a.file, b.file);
  return a.offset < b.offset;
}

/// True when the bytes can go past the page cache from where they lie.
bool is_direct(const WriteExtent& extent) {
  return extent.bytes.size() >= core::kSmallestDirect && extent.offset % kDirectAlignment == 0 &&
         reinterpret_cast<std::uintptr_t>(extent.bytes.data()) % kDirectAlignment == 0;
}

WritePiece piece(const WriteExtent& extent, std::size_t at, std::size_t size) {
  return {extent.bytes.subspan(at, size), at, extent.checksum};
}

class Planner {
 public:
  void add(const WriteExtent& extent) {
    if (is_direct(extent)) {
      const std::size_t whole = extent.bytes.size() / kDirectAlignment * kDirectAlignment;
      divide(extent, whole);
      gather(extent, whole);
    } else {
      gather(extent, 0);
    }
  }

  std::vector<WriteRun> take() { return std::move(runs_); }

 private:
  void divide(const WriteExtent& extent, std::size_t end) {
    for (std::size_t at = 0; at < end; at += kPart) {
      const std::size_t size = std::min(kPart, end - at);
      runs_.push_back({extent.file, extent.offset + at, size, {piece(extent, at, size)}});
    }
    open_ = false;
  }

  /// Adds what lies behind `begin` to the run that ends there, if it is one of small pieces. Runs
  /// are cut at multiples of their greatest length, so that all but the ends are aligned.
  void gather(const WriteExtent& extent, std::size_t begin) {
    for (std::size_t at = begin; at < extent.bytes.size();) {
      const std::uint64_t offset = extent.offset + at;
      const std::size_t room = kLongestGather - offset % kLongestGather;
      const std::size_t size = std::min(room, extent.bytes.size() - at);
      if (!continues(extent.file, offset)) runs_.push_back({extent.file, offset, 0, {}});
      runs_.back().pieces.push_back(piece(extent, at, size));
      runs_.back().size += size;
      open_ = size < room;
      at += size;
    }
  }

  [[nodiscard]] bool continues(const storage::WritableFile* file, std::uint64_t offset) const {
    return open_ && runs_.back().file == file && runs_.back().offset + runs_.back().size == offset;
  }

  std::vector<WriteRun> runs_;
  bool open_ = false;  // the last run is one of small pieces and has room
};

}  // namespace

std::vector<WriteRun> plan_runs(std::vector<WriteExtent> extents) {
  if (!std::is_sorted(extents.begin(), extents.end(), before)) {
    std::sort(extents.begin(), extents.end(), before);
  }
  Planner planner;
  for (const WriteExtent& extent : extents) planner.add(extent);
  return planner.take();
}

}  // namespace lamina::checkpoint
