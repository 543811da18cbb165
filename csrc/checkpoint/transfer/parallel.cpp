#include "checkpoint/transfer/parallel.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace lamina::checkpoint {

std::size_t io_threads() {
  // Asking takes longer than many a write.
  static const std::size_t threads = std::clamp(std::thread::hardware_concurrency(), 2u, 8u);
  return threads;
}

std::size_t write_threads() {
  return io_threads() + 1;
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
    std::vector<std::jthread> pool;
    pool.reserve(threads);
    try {
      while (pool.size() + 1 < std::min(threads, count)) pool.emplace_back(work);
    } catch (const std::system_error&) {
      // No more threads to be had: those that run do the work.
    }
    work();
  }
  if (first) std::rethrow_exception(first);
}

}  // namespace lamina::checkpoint
