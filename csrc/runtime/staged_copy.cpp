#include "runtime/staged_copy.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <utility>

namespace lamina::runtime {
namespace {

/// One side is only read; `Way` says which.
struct Part {
  std::byte* device;
  std::byte* host;
  std::size_t size;
};

enum class Way { kUp, kDown };

class StagedCopy {
 public:
  StagedCopy(PinnedRing& ring, Way way, std::span<const Event* const> after)
      : ring_(ring), way_(way), after_(after) {}

  void add(const Part& part) {
    for (std::size_t done = 0; done < part.size;) {
      if (!slot_) slot_ = next_slot();
      const std::size_t size = std::min(part.size - done, ring_.slot_bytes() - used_);
      put({part.device + done, part.host + done, size});
      done += size;
      if (used_ == ring_.slot_bytes()) send();
    }
  }
  void finish() {
    if (slot_) send();
    while (!sent_.empty()) (void)receive();
    if (stream_) stream_.hand_back();
  }

 private:
  struct Piece {
    Part part;
    std::size_t slot_offset;
  };
  struct Sent {
    PinnedRing::Lease slot;
    std::vector<Piece> pieces;
  };

  PinnedRing::Lease next_slot() {
    if (auto slot = ring_.try_take()) return slot;
    return sent_.empty() ? ring_.take({}) : receive();
  }
  /// Only now, so that nothing is left on a stream that has nothing to copy.
  void begin() {
    stream_ = ring_.streams().take();
    for (const Event* event : after_) stream_->wait(*event);
  }
  void put(const Part& part) {
    if (way_ == Way::kUp) {
      const auto access = slot_->memory->write(used_, part.size);
      std::memcpy(access.bytes().data(), part.host, part.size);
    }
    pieces_.push_back({part, used_});
    used_ += part.size;
  }
  void send() {
    if (!stream_) begin();
    std::vector<Copy> copies;
    copies.reserve(pieces_.size());
    for (const auto& [part, offset] : pieces_) {
      std::byte* pinned = slot_->memory->address() + offset;
      copies.push_back(way_ == Way::kUp ? Copy{part.device, pinned, part.size}
                                        : Copy{pinned, part.device, part.size});
    }
    stream_->copy(copies);
    stream_->record(*slot_->copied);
    sent_.push_back({std::exchange(slot_, {}), std::exchange(pieces_, {})});
    used_ = 0;
  }
  /// The slot that was sent first, when its copies are done and it is of no more use here.
  PinnedRing::Lease receive() {
    Sent& first = sent_.front();  // stays there should the wait fail: its copies may be pending
    first.slot->copied->wait();
    if (way_ == Way::kDown) {
      for (const auto& [part, offset] : first.pieces) {
        const auto access = first.slot->memory->read(offset, part.size);
        std::memcpy(part.host, access.bytes().data(), part.size);
      }
    }
    PinnedRing::Lease out = std::move(first.slot);
    sent_.pop_front();
    return out;
  }

  PinnedRing& ring_;
  Way way_;
  std::span<const Event* const> after_;
  PinnedRing::Lease slot_;  // being filled
  std::vector<Piece> pieces_;
  std::size_t used_ = 0;
  std::deque<Sent> sent_;       // copies of these may be pending
  Pool<Stream>::Lease stream_;  // last: after a failure waits for its work before the slots go back
};

}  // namespace

void upload(std::span<const Upload> parts, PinnedRing& ring, std::span<const Event* const> after) {
  StagedCopy copy(ring, Way::kUp, after);
  for (const Upload& part : parts) {
    copy.add({part.to, const_cast<std::byte*>(part.from.data()), part.from.size()});
  }
  copy.finish();
}

void download(std::span<const Download> parts, PinnedRing& ring,
              std::span<const Event* const> after) {
  StagedCopy copy(ring, Way::kDown, after);
  for (const Download& part : parts) {
    copy.add({const_cast<std::byte*>(part.from), part.to.data(), part.to.size()});
  }
  copy.finish();
}

}  // namespace lamina::runtime
