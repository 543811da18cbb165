#pragma once
#include <cstdint>
#include <functional>
#include <mutex>

namespace lamina::checkpoint {

/// Counts bytes from several threads and tells the caller, one call at a time.
class Progress {
 public:
  using Callback = std::function<void(std::uint64_t done, std::uint64_t total)>;

  Progress(const Callback& callback, std::uint64_t total) : callback_(callback), total_(total) {}

  void add(std::uint64_t bytes) {
    if (!callback_) return;
    const std::lock_guard lock(mutex_);
    done_ += bytes;
    callback_(done_, total_);
  }

 private:
  const Callback& callback_;
  std::mutex mutex_;
  std::uint64_t done_ = 0;
  std::uint64_t total_;
};

}  // namespace lamina::checkpoint
