#pragma once
#include <functional>
#include <memory>
#include <span>

#include "runtime/pinned_memory.h"

namespace lamina::runtime {

/// Memory of the device, released with its owner. No work on it may be pending then.
class DeviceMemory {
 public:
  virtual ~DeviceMemory() = default;
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;

  /// An address of the device's: the host must not follow it.
  [[nodiscard]] std::byte* address() const noexcept { return data_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 protected:
  DeviceMemory(std::byte* data, std::size_t size) noexcept : data_(data), size_(size) {}

 private:
  std::byte* data_;
  std::size_t size_;
};

/// A mark in a stream's work. One that was never recorded counts as fired. Safe to use from several
/// threads; recording it while others wait is not.
class Event {
 public:
  virtual ~Event() = default;
  /// Whether the work before the mark is done. Throws DeviceError, or what a host function threw,
  /// when that work failed.
  [[nodiscard]] virtual bool done() const = 0;
  /// Blocks until then; throws likewise.
  virtual void wait() const = 0;
  /// Seconds from the moment that `earlier` fired to the moment that this one did. Both are done.
  [[nodiscard]] virtual double seconds_since(const Event& earlier) const = 0;
};

/// One of a batch of copies. Either side is memory of the device or page-locked; they do not
/// overlap.
struct Copy {
  std::byte* to;
  const std::byte* from;
  std::size_t size;
};

/// Work that a stream was given while it recorded. What it names, memory above all, must live as
/// long as this does, and its work be done when this goes.
class Recording {
 public:
  virtual ~Recording() = default;
};

/// Work done in the order given. What fails is reported by the events recorded after it and by
/// `synchronize()`; the work after it may not be done. Used from one thread at a time.
/// The destructor waits for the work and reports nothing.
class Stream {
 public:
  virtual ~Stream() = default;
  /// Copies in no given order among themselves; one call costs little more than one copy.
  virtual void copy(std::span<const Copy> batch) = 0;
  /// Calls `function` on some thread. It must not use the runtime, nor wait for other work of it.
  virtual void call(std::function<void()> function) = 0;
  virtual void record(Event& event) = 0;
  /// Later work starts when `event`, as last recorded by now, has fired.
  virtual void wait(const Event& event) = 0;
  virtual void synchronize() = 0;
  /// Until end_recording() copies, functions and launches are noted and not done. Meanwhile this
  /// thread neither allocates nor waits nor marks, here or elsewhere: DeviceError, or one at the
  /// end.
  virtual void begin_recording() = 0;
  /// The stream does its work again from here on, also when this throws: DeviceError for what
  /// cannot be recorded; functions of the host cannot on CUDA devices.
  [[nodiscard]] virtual std::unique_ptr<Recording> end_recording() = 0;
  /// Gives the work of a recording of this stream, as if it were given now.
  virtual void play(const Recording& recording) = 0;
  /// CUDA's own stream, for its libraries and for launches; nullptr where it is not CUDA's.
  [[nodiscard]] virtual void* native() const noexcept { return nullptr; }
};

/// A device, so that the same engine runs on all of them and tests can delay, fail or watch each
/// step. Safe to use from several threads. Failures are DeviceError; they name the call, its status
/// and the place. Streams, events and memory of different runtimes do not mix, and none outlives
/// its runtime.
class Runtime {
 public:
  virtual ~Runtime() = default;
  [[nodiscard]] virtual std::unique_ptr<DeviceMemory> allocate(std::size_t bytes) = 0;
  [[nodiscard]] virtual std::unique_ptr<PinnedMemory> allocate_pinned(std::size_t bytes) = 0;
  [[nodiscard]] virtual std::unique_ptr<Stream> make_stream() = 0;
  [[nodiscard]] virtual std::unique_ptr<Event> make_event() = 0;
  /// Whether CUDA's kernels and libraries run on it; else the host can reach its memory.
  [[nodiscard]] virtual bool is_cuda() const noexcept { return false; }
};

}  // namespace lamina::runtime
