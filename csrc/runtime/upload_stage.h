#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "runtime/device_context.h"

namespace lamina::runtime {

/// Where bytes of the host go to a device beside what it computes. A sending passes through
/// page-locked memory and a stream of its own to memory of the device that is kept for it, and
/// waits there until it is taken: then the computing stream copies it to where it is to be read.
///
///     1. The host fills one of two page-locked places, whose copies of the sending before last are
///        done: they have been taken, or it waits for them.
///     2. The copying stream waits for what was last taken to have left the device's memory, copies
///        the place there, and marks it copied.
///     3. The computing stream waits for that mark, copies each part to its place, and marks the
///        memory as free for step 2 of the next sending.
///
/// So the host waits for nothing in a loop that sends, takes, and sees what is computed of it.
/// Where there is no such page-locked memory, a sending goes by the ring that all tensors share,
/// and is waited for. Used from one thread at a time.
class UploadStage {
 public:
  using Number = std::uint64_t;  ///< of a sending, from 1

  /// Throws DeviceError.
  explicit UploadStage(std::shared_ptr<DeviceContext> context);
  /// Waits for copies.
  ~UploadStage();
  UploadStage(const UploadStage&) = delete;
  UploadStage& operator=(const UploadStage&) = delete;

  [[nodiscard]] const std::shared_ptr<DeviceContext>& context() const noexcept { return context_; }
  /// What was sent before can no longer be taken, also when this throws. The parts have been read
  /// when it returns. Allocates where no sending was as large. Throws DeviceError.
  [[nodiscard]] Number send(std::span<const std::span<const std::byte>> parts);
  /// Whether a sending can be taken.
  [[nodiscard]] bool holds(Number number) const noexcept { return number == held_; }
  /// Gives the computing stream the copies of the parts to as many places on the device, each as
  /// large. Once, of what it holds. Throws DeviceError, also of the copies, which who waits for
  /// later work is told as well.
  void take(Number number, std::span<std::byte* const> to);
  /// Lets go of what is held.
  void forget() noexcept { held_ = kNone; }
  /// Returns when the sending is on the device, or is not to be; failures are told who takes it.
  void settle(Number number) const noexcept;

 private:
  static constexpr Number kNone = 0;
  struct Place {
    std::unique_ptr<PinnedMemory> memory;
    std::unique_ptr<Event> copied;
    Number number = kNone;  ///< what `copied` marks
  };
  [[nodiscard]] Place& place_of(Number number) { return places_[number % places_.size()]; }
  /// Returns when copies of the place are done, or those of both.
  void wait_for(Place& place, bool for_all);
  /// Makes the place as large; false where page-locked memory is short.
  [[nodiscard]] bool has_memory(Place& place, std::size_t bytes);
  void make_room(std::size_t bytes);
  void copy_up(Place& place, std::size_t bytes);
  void copy_by_ring(std::span<const std::span<const std::byte>> parts);

  const std::shared_ptr<DeviceContext> context_;
  std::array<Place, 2> places_;
  std::shared_ptr<void> there_;  ///< on the device
  std::size_t room_there_ = 0;
  std::unique_ptr<Event> taken_;
  std::vector<std::size_t> offsets_, sizes_;  ///< of the parts last sent
  Number last_ = kNone, held_ = kNone;
  std::unique_ptr<Stream> stream_;  // last: waits for its work before the memory goes
};

}  // namespace lamina::runtime
