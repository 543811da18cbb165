#pragma once
#include <cstdint>
#include <functional>
#include <mutex>

#include "checkpoint/background/save_state.h"

namespace lamina::checkpoint {

/// Counts bytes from several threads and tells the caller, one call at a time.
class ByteProgress {
 public:
  using Callback = std::function<void(std::uint64_t done, std::uint64_t total)>;

  /// A save tells its `state` as well, and hears from it.
  ByteProgress(const Callback& callback, std::uint64_t total, SaveState* state = nullptr)
      : callback_(callback), total_(total), state_(state) {}

  /// Throws CancelledError when the save has been cancelled, so that it goes no further.
  void add(std::uint64_t bytes) {
    if (state_ != nullptr) {
      state_->add_bytes(bytes);
      state_->throw_if_cancelled();
    }
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
  SaveState* state_;
};

}  // namespace lamina::checkpoint
