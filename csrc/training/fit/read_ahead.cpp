#include "training/fit/read_ahead.h"

#include <utility>

namespace lamina::training {

ReadAhead::ReadAhead(std::int64_t first, std::int64_t end,
                     std::function<DataSet(std::int64_t)> make)
    : make_(std::move(make)), thread_([this, first, end] { run(first, end); }) {}

ReadAhead::~ReadAhead() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void ReadAhead::run(std::int64_t first, std::int64_t end) {
  for (std::int64_t index = first; index < end; ++index) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return stop_ || ready_.size() < kAhead; });
      if (stop_) return;
    }
    std::exception_ptr failure;
    try {
      DataSet made = make_(index);
      const std::lock_guard lock(mutex_);
      ready_.push_back(std::move(made));
    } catch (...) {
      failure = std::current_exception();
    }
    if (failure) {
      const std::lock_guard lock(mutex_);
      failure_ = failure;
    }
    changed_.notify_all();
    if (failure) return;
  }
}

bool ReadAhead::has_next() {
  const std::lock_guard lock(mutex_);
  return !ready_.empty();
}

DataSet ReadAhead::next() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !ready_.empty() || failure_; });
  if (ready_.empty()) std::rethrow_exception(failure_);
  DataSet batch = std::move(ready_.front());
  ready_.pop_front();
  lock.unlock();
  changed_.notify_all();
  return batch;
}

}  // namespace lamina::training
