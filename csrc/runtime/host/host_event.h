#pragma once
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>

#include "runtime/runtime.h"

namespace lamina::runtime {

/// One recording of an event: fires once, and keeps the failure of the work before it.
class Mark {
 public:
  void fire(std::exception_ptr failure) {
    {
      const std::lock_guard lock(mutex_);
      fired_ = true;
      failure_ = std::move(failure);
      at_ = std::chrono::steady_clock::now();
    }
    changed_.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return fired_; });
    if (failure_) std::rethrow_exception(failure_);
  }
  [[nodiscard]] bool done() {
    const std::lock_guard lock(mutex_);
    if (failure_) std::rethrow_exception(failure_);
    return fired_;
  }
  [[nodiscard]] std::chrono::steady_clock::time_point at() {
    const std::lock_guard lock(mutex_);
    return at_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool fired_ = false;
  std::exception_ptr failure_;
  std::chrono::steady_clock::time_point at_;
};

class HostEvent final : public Event {
 public:
  [[nodiscard]] bool done() const override { return !mark_ || mark_->done(); }
  void wait() const override {
    if (mark_) mark_->wait();
  }
  [[nodiscard]] double seconds_since(const Event& earlier) const override {
    const auto& other = dynamic_cast<const HostEvent&>(earlier);
    if (!mark_ || !other.mark_) return 0.0;
    return std::chrono::duration<double>(mark_->at() - other.mark_->at()).count();
  }

 private:
  friend class HostStream;
  std::shared_ptr<Mark> mark_;
};

}  // namespace lamina::runtime
