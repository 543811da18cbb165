#include "runtime/host/host_stream.h"

#include <lamina/error.h>

#include <cstring>
#include <system_error>

namespace lamina::runtime {
namespace {

/// Runs `work` unless something before it failed; keeps what it throws.
template <class F>
void attempt(std::exception_ptr& failure, F&& work) {
  if (failure) return;
  try {
    work();
  } catch (...) {
    failure = std::current_exception();
  }
}

}  // namespace

HostStream::HostStream() {
  try {
    worker_ = std::thread([this] { run(); });
  } catch (const std::system_error& error) {
    throw DeviceError("std::thread", error.code().message(), "no thread for a stream",
                      SourceLocation::current());
  }
}

HostStream::~HostStream() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  changed_.notify_one();
  worker_.join();
}

void HostStream::push(Task task) {
  if (recording_) {
    recording_->tasks.push_back(std::move(task));
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
  }
  changed_.notify_one();
}

void HostStream::run() {
  std::exception_ptr failure;
  for (;;) {
    Task task;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return closing_ || !tasks_.empty(); });
      if (tasks_.empty()) return;
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    task(failure);
  }
}

void HostStream::copy(std::span<const Copy> batch) {
  push([copies = std::vector(batch.begin(), batch.end())](std::exception_ptr& failure) {
    if (failure) return;
    for (const Copy& copy : copies) {
      if (copy.size > 0) std::memcpy(copy.to, copy.from, copy.size);
    }
  });
}

void HostStream::call(std::function<void()> function) {
  push([function = std::move(function)](std::exception_ptr& failure) {
    attempt(failure, function);
  });
}

void HostStream::record(Event& event) {
  auto mark = std::make_shared<Mark>();
  push([mark](std::exception_ptr& failure) { mark->fire(failure); });
  dynamic_cast<HostEvent&>(event).mark_ = std::move(mark);
}

void HostStream::wait(const Event& event) {
  auto mark = dynamic_cast<const HostEvent&>(event).mark_;
  if (!mark) return;
  push([mark = std::move(mark)](std::exception_ptr& failure) {
    attempt(failure, [&] { mark->wait(); });
  });
}

void HostStream::synchronize() {
  HostEvent end;
  record(end);
  end.wait();
}

void HostStream::begin_recording() {
  recording_ = std::make_unique<HostRecording>();
}

std::unique_ptr<Recording> HostStream::end_recording() {
  return std::move(recording_);
}

void HostStream::play(const Recording& recording) {
  for (const Task& task : dynamic_cast<const HostRecording&>(recording).tasks) push(task);
}

}  // namespace lamina::runtime
