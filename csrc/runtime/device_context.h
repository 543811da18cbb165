#pragma once
#include <lamina/device.h>
#include <unistd.h>

#include <atomic>
#include <mutex>

#include "runtime/pinned_ring.h"

namespace lamina::runtime {

/// A device in use: its runtime, the stream on which its values are computed, and the rings by
/// which they come and go. What belongs to it keeps it alive. Safe to use from several threads, but
/// not in a child that was forked since: CUDA cannot be used there, and threads that the child does
/// not have may hold the locks. DeviceError says so.
class DeviceContext {
 public:
  DeviceContext(Device device, std::shared_ptr<Runtime> runtime, const PinnedRing::Options& ring)
      : device_(device), runtime_(std::move(runtime)), ring_options_(ring) {}

  [[nodiscard]] Device device() const noexcept { return device_; }
  [[nodiscard]] Runtime& runtime() const noexcept { return *runtime_; }
  /// False in a child that was forked since: what is on the device is its parent's.
  [[nodiscard]] bool in_its_process() const noexcept { return process_ == ::getpid(); }
  /// For weights on their way to and from files. Made at the first call and kept. Throws
  /// DeviceError.
  [[nodiscard]] PinnedRing& ring();
  /// For tensors: another, since a save in the background keeps the slots of its own until they are
  /// on disk, and the batches that are computed meanwhile must not wait for that.
  [[nodiscard]] PinnedRing& staging_ring();
  /// Kept for copies within the device.
  [[nodiscard]] Pool<Stream>& streams() noexcept { return streams_; }
  /// Calls `work` with the stream on which values are computed; others wait meanwhile.
  template <class F>
  void with_stream(F&& work) {
    require_its_process();
    const std::lock_guard lock(mutex_);
    if (!stream_) stream_ = runtime_->make_stream();
    work(*stream_);
  }
  /// The same for work on what tensors own, whose memory goes only when it is done (see settle).
  template <class F>
  void compute(F&& work) {
    with_stream([&](Stream& stream) {
      computing_ = true;
      work(stream);
    });
  }
  /// What `work` gives to compute() on this thread, recorded and not done; others wait meanwhile.
  template <class F>
  [[nodiscard]] std::unique_ptr<Recording> record(F&& work) {
    require_its_process();
    const std::lock_guard lock(mutex_);
    with_stream([](Stream& stream) { stream.begin_recording(); });
    try {
      work();
    } catch (...) {
      end_recording_in_vain();
      throw;
    }
    return stream_->end_recording();
  }
  /// Returns when what compute() gave is done, well or not. Failures are for others to report.
  void settle() noexcept;
  /// A mark behind all that this stream has been given so far. Throws DeviceError.
  [[nodiscard]] std::unique_ptr<Event> mark();
  /// Calls `work` with such a mark, which is of no use afterwards: it is kept for the next call.
  template <class F>
  void with_mark(F&& work) {
    require_its_process();
    Pool<Event>::Lease mark = marks_.take();
    with_stream([&](Stream& stream) { stream.record(*mark); });
    work(std::as_const(*mark));
    mark.hand_back();
  }

 private:
  void require_its_process() const;
  void end_recording_in_vain() noexcept;

  const Device device_;
  const std::shared_ptr<Runtime> runtime_;
  const PinnedRing::Options ring_options_;
  const pid_t process_ = ::getpid();
  Pool<Stream> streams_{[this] { return runtime_->make_stream(); }};
  Pool<Event> marks_{[this] { return runtime_->make_event(); }};
  std::recursive_mutex mutex_;  // record() is around calls of compute()
  std::unique_ptr<PinnedRing> ring_, staging_ring_;
  std::unique_ptr<Stream> stream_;
  std::atomic<bool> computing_ = false;
};

/// A mark of a device's work, and what it needs to live.
struct DeviceMark {
  std::shared_ptr<DeviceContext> context;
  std::unique_ptr<Event> event;

  /// Moves the mark behind all that the stream has been given by now. Throws DeviceError.
  void move() {
    context->with_stream([&](Stream& stream) { stream.record(*event); });
  }
};

/// Memory that keeps its device alive, and is released when no owner is left and the device's
/// computing stream is done with it; no other work on it may be pending then. Throws DeviceError.
[[nodiscard]] std::shared_ptr<void> allocate_shared(std::shared_ptr<DeviceContext> context,
                                                    std::size_t bytes);

}  // namespace lamina::runtime
