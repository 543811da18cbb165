#pragma once
#include <chrono>
#include <memory>
#include <thread>

#include "runtime/host/host_runtime.h"

namespace lamina::testing {

/// The host's threads as a device whose streams copy so many bytes a second, in real time.
class SlowCopies final : public runtime::Runtime {
 public:
  explicit SlowCopies(double bytes_per_second) : bytes_per_second_(bytes_per_second) {}

  std::unique_ptr<runtime::DeviceMemory> allocate(std::size_t bytes) override {
    return inner_.allocate(bytes);
  }
  std::unique_ptr<runtime::PinnedMemory> allocate_pinned(std::size_t bytes) override {
    return inner_.allocate_pinned(bytes);
  }
  std::unique_ptr<runtime::Stream> make_stream() override {
    return std::make_unique<Slow>(inner_.make_stream(), bytes_per_second_);
  }
  std::unique_ptr<runtime::Event> make_event() override { return inner_.make_event(); }

 private:
  class Slow final : public runtime::Stream {
   public:
    Slow(std::unique_ptr<runtime::Stream> inner, double bytes_per_second)
        : inner_(std::move(inner)), bytes_per_second_(bytes_per_second) {}
    void copy(std::span<const runtime::Copy> batch) override {
      inner_->copy(batch);
      double bytes = 0;
      for (const runtime::Copy& copy : batch) bytes += static_cast<double>(copy.size);
      inner_->call([time = std::chrono::duration<double>(bytes / bytes_per_second_)] {
        std::this_thread::sleep_for(time);
      });
    }
    void call(std::function<void()> function) override { inner_->call(std::move(function)); }
    void record(runtime::Event& event) override { inner_->record(event); }
    void wait(const runtime::Event& event) override { inner_->wait(event); }
    void synchronize() override { inner_->synchronize(); }
    void begin_recording() override { inner_->begin_recording(); }
    std::unique_ptr<runtime::Recording> end_recording() override { return inner_->end_recording(); }
    void play(const runtime::Recording& recording) override { inner_->play(recording); }

   private:
    std::unique_ptr<runtime::Stream> inner_;
    double bytes_per_second_;
  };

  runtime::HostRuntime inner_;
  double bytes_per_second_;
};

}  // namespace lamina::testing
