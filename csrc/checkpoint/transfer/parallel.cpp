#include "checkpoint/transfer/parallel.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <utility>

#include "checkpoint/background/start_thread.h"

namespace lamina::checkpoint {

std::size_t io_threads() {
  // Asking takes longer than many a write.
  static const std::size_t threads = std::clamp(std::thread::hardware_concurrency(), 2u, 8u);
  return threads;
}

std::size_t write_threads() {
  return io_threads() + 1;
}

ThreadPool::ThreadPool(std::size_t count, const std::function<void()>& work) {
  threads.reserve(count);
  while (threads.size() < count && !hindrance) {
    std::jthread thread;
    hindrance = start_thread(thread, work);
    if (!hindrance) threads.push_back(std::move(thread));
  }
}

void parallel_for(std::size_t count, std::size_t threads,
                  const std::function<void(std::size_t)>& task) {
  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  std::exception_ptr first;
  const auto work = [&] {
    try {
      for (std::size_t i = next++; i < count; i = next++) task(i);
    } catch (...) {
      next = count;
      const std::lock_guard lock(mutex);
      if (!first) first = std::current_exception();
    }
  };
  {
    const ThreadPool others(std::max<std::size_t>(1, std::min(threads, count)) - 1, work);
    work();
  }
  if (first) std::rethrow_exception(first);
}

}  // namespace lamina::checkpoint
