#include <algorithm>
#include <exception>

#include "runtime/cuda/cuda_stream.h"

namespace lamina::runtime {

HostCalls::Entry& HostCalls::add(std::function<void()> function) {
  const std::lock_guard lock(mutex_);
  return entries_.emplace_back(Entry{this, std::move(function)});
}

void HostCalls::remove(const Entry& entry) noexcept {
  std::list<Entry> gone;  // destroyed without the lock: a function's captures may be anything
  const std::lock_guard lock(mutex_);
  const auto found = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const Entry& each) { return &each == &entry; });
  if (found != entries_.end()) gone.splice(gone.end(), entries_, found);
}

void HostCalls::run(Entry& entry) noexcept {
  try {
    rethrow();  // what follows a failure is not done
    entry.function();
  } catch (...) {
    const std::lock_guard lock(mutex_);
    if (!failure_) failure_ = std::current_exception();
  }
  remove(entry);
}

void HostCalls::rethrow() const {
  const std::lock_guard lock(mutex_);
  if (failure_) std::rethrow_exception(failure_);
}

}  // namespace lamina::runtime
