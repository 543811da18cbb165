#pragma once
#include <exception>
#include <list>
#include <mutex>

#include "runtime/runtime.h"

struct CUevent_st;
struct CUstream_st;

namespace lamina::runtime {

/// The host functions of one stream, and the first exception of one: CUDA can carry neither.
class HostCalls {
 public:
  struct Entry {
    HostCalls* owner;
    std::function<void()> function;
  };
  /// Keeps the function until it was called, or until this goes: CUDA calls none after a failure.
  Entry& add(std::function<void()> function);
  void remove(const Entry& entry) noexcept;
  void run(Entry& entry) noexcept;
  void rethrow() const;

 private:
  mutable std::mutex mutex_;
  std::list<Entry> entries_;
  std::exception_ptr failure_;
};

class CudaEvent final : public Event {
 public:
  /// Of the current device.
  explicit CudaEvent(int device);
  ~CudaEvent() override;
  [[nodiscard]] bool done() const override;
  void wait() const override;
  [[nodiscard]] double seconds_since(const Event& earlier) const override;

 private:
  friend class CudaStream;
  const int device_;
  CUevent_st* event_ = nullptr;
  std::shared_ptr<HostCalls> calls_;  ///< of the stream that recorded it last
};

class CudaStream final : public Stream {
 public:
  /// Of the current device.
  explicit CudaStream(int device);
  ~CudaStream() override;
  void copy(std::span<const Copy> batch) override;
  void call(std::function<void()> function) override;
  void record(Event& event) override;
  void wait(const Event& event) override;
  void synchronize() override;
  void begin_recording() override;
  [[nodiscard]] std::unique_ptr<Recording> end_recording() override;
  void play(const Recording& recording) override;
  [[nodiscard]] void* native() const noexcept override { return stream_; }

 private:
  /// Whether several copies can be given as one; else one by one.
  [[nodiscard]] bool takes_batches() const;

  const int device_;
  std::shared_ptr<HostCalls> calls_;
  CUstream_st* stream_ = nullptr;
  bool recording_ = false;
};

}  // namespace lamina::runtime
