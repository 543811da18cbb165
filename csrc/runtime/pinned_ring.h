#pragma once
#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <vector>

#include "runtime/pool.h"
#include "runtime/runtime.h"

namespace lamina::runtime {

/// A few page-locked slots, made once and kept. A slot is taken, used and handed back when nothing
/// is pending on it any more; who finds none waits, and that is all the flow control there is.
/// Safe to use from several threads, and by several transfers at once.
class PinnedRing {
 public:
  struct Options {
    std::size_t slots = 8;                           ///< at least one
    std::size_t slot_bytes = std::size_t{16} << 20;  ///< rounded up to whole pages
  };
  struct Slot {
    std::size_t index;
    std::unique_ptr<PinnedMemory> memory;
    std::unique_ptr<Event> started, copied;  ///< around the copies of its present use
  };

  /// A slot of one's own, handed back with it.
  class Lease {
   public:
    Lease() = default;
    Lease(Lease&& other) noexcept
        : ring_(other.ring_), slot_(std::exchange(other.slot_, nullptr)) {}
    Lease& operator=(Lease&& other) noexcept {
      std::swap(ring_, other.ring_);
      std::swap(slot_, other.slot_);
      return *this;
    }
    ~Lease() {
      if (slot_ != nullptr) ring_->give_back(*slot_);
    }
    explicit operator bool() const noexcept { return slot_ != nullptr; }
    Slot* operator->() const noexcept { return slot_; }

   private:
    friend class PinnedRing;
    Lease(PinnedRing& ring, Slot& slot) noexcept : ring_(&ring), slot_(&slot) {}
    PinnedRing* ring_ = nullptr;
    Slot* slot_ = nullptr;
  };

  /// Throws DeviceError when the memory is not to be had, ValueError for a ring of nothing.
  PinnedRing(Runtime& runtime, const Options& options);

  /// Waits for a free slot; empty when `stop` is asked for first.
  [[nodiscard]] Lease take(const std::stop_token& stop);
  /// Empty when there is no free slot now. Who holds a slot already takes another one only so: two
  /// that wait for each other's would wait for ever.
  [[nodiscard]] Lease try_take();
  [[nodiscard]] Runtime& runtime() const noexcept { return runtime_; }
  /// Kept for copies of the slots.
  [[nodiscard]] Pool<Stream>& streams() noexcept { return streams_; }
  [[nodiscard]] std::size_t slots() const noexcept { return slots_.size(); }
  [[nodiscard]] std::size_t slot_bytes() const noexcept { return slot_bytes_; }

 private:
  [[nodiscard]] Lease take_free();
  void give_back(Slot& slot) noexcept;

  Runtime& runtime_;
  Pool<Stream> streams_;
  std::size_t slot_bytes_;
  std::vector<Slot> slots_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::vector<Slot*> free_;  // never grows past its first capacity
};

}  // namespace lamina::runtime
