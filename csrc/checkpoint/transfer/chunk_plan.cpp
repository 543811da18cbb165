#include "checkpoint/transfer/chunk_plan.h"

#include <algorithm>

#include "core/direct_io.h"

namespace lamina::checkpoint {
namespace {

using core::kDirectAlignment;

// Smaller pieces never go past the cache by themselves; aligned, they would waste half their slot.
constexpr std::size_t kAlignedFrom = std::size_t{64} << 10;

class Planner {
 public:
  Planner(std::span<const FilePlace> places, std::size_t slot_bytes)
      : places_(places), slot_bytes_(slot_bytes) {}

  std::vector<Chunk> run() {
    for (std::size_t i = 0; i < places_.size(); ++i) {
      for (std::size_t done = 0; done < places_[i].size;) done += add(i, done);
    }
    return std::move(chunks_);
  }

 private:
  [[nodiscard]] bool continues(const FilePlace& place, std::uint64_t offset) const {
    if (chunks_.empty() || used_ == slot_bytes_) return false;
    const Run& last = chunks_.back().runs.back();
    return places_[last.place].file == place.file && last.file_offset + last.size == offset;
  }
  void start_run(std::size_t i, std::uint64_t offset, std::size_t left) {
    if (left >= kAlignedFrom)
      used_ += (offset + kDirectAlignment - used_ % kDirectAlignment) % kDirectAlignment;
    if (chunks_.empty() || used_ >= slot_bytes_) {
      chunks_.emplace_back();
      used_ = left >= kAlignedFrom ? offset % kDirectAlignment : 0;
    }
    chunks_.back().runs.push_back({i, offset, used_, 0});
  }
  /// Puts in what fits of place `i` from `done` on; returns how much that is.
  std::size_t add(std::size_t i, std::size_t done) {
    const FilePlace& place = places_[i];
    const std::uint64_t offset = place.offset + done;
    if (!continues(place, offset)) start_run(i, offset, place.size - done);
    const std::size_t size = std::min(place.size - done, slot_bytes_ - used_);
    chunks_.back().pieces.push_back({i, done, used_, size});
    chunks_.back().runs.back().size += size;
    used_ += size;
    return size;
  }

  std::span<const FilePlace> places_;
  std::size_t slot_bytes_;
  std::size_t used_ = 0;  // of the last chunk's slot
  std::vector<Chunk> chunks_;
};

}  // namespace

std::vector<Chunk> plan_chunks(std::span<const FilePlace> places, std::size_t slot_bytes) {
  return Planner(places, slot_bytes).run();
}

std::span<const Piece> pieces_of(const Run& run, const Chunk& chunk) {
  const auto before = [](const Piece& piece, std::size_t offset) {
    return piece.slot_offset < offset;
  };
  const auto begin = chunk.pieces.begin(), end = chunk.pieces.end();
  const auto first = std::lower_bound(begin, end, run.slot_offset, before);
  return {first, std::lower_bound(first, end, run.slot_offset + run.size, before)};
}

}  // namespace lamina::checkpoint
