#include "runtime/pinned_ring.h"

#include <lamina/error.h>

#include "core/direct_io.h"

namespace lamina::runtime {
namespace {

using core::kDirectAlignment;

}  // namespace

PinnedRing::PinnedRing(Runtime& runtime, const Options& options)
    : runtime_(runtime),
      streams_([&runtime] { return runtime.make_stream(); }),
      slot_bytes_((options.slot_bytes + kDirectAlignment - 1) / kDirectAlignment *
                  kDirectAlignment) {
  if (options.slots == 0 || options.slot_bytes == 0) {
    throw ValueError("A ring of page-locked memory needs at least one slot of at least one byte.");
  }
  for (std::size_t i = 0; i < options.slots; ++i) {
    slots_.push_back(
        {i, runtime.allocate_pinned(slot_bytes_), runtime.make_event(), runtime.make_event()});
  }
  free_.reserve(slots_.size());
  for (Slot& slot : slots_) free_.push_back(&slot);
}

PinnedRing::Lease PinnedRing::take(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  if (!changed_.wait(lock, stop, [&] { return !free_.empty(); })) return {};
  if (!stop.stop_requested()) return take_free();
  changed_.notify_one();  // the slot is another's, who may not have been woken for it
  return {};
}

PinnedRing::Lease PinnedRing::try_take() {
  const std::lock_guard lock(mutex_);
  return free_.empty() ? Lease() : take_free();
}

PinnedRing::Lease PinnedRing::take_free() {
  Slot* slot = free_.front();  // the one that has rested longest
  free_.erase(free_.begin());
  return {*this, *slot};
}

void PinnedRing::give_back(Slot& slot) noexcept {
  {
    const std::lock_guard lock(mutex_);
    free_.push_back(&slot);
  }
  changed_.notify_one();
}

}  // namespace lamina::runtime
