#pragma once
#include <cstddef>
#include <exception>
#include <functional>
#include <thread>
#include <vector>

namespace lamina::checkpoint {

/// Threads for input and output: at least two, for one waits while the other copies.
[[nodiscard]] std::size_t io_threads();
/// Threads for writing: one more, so that two writes are under way while one gathers the next.
[[nodiscard]] std::size_t write_threads();

/// Threads that all do the same, joined by the destructor.
struct ThreadPool {
  /// Starts up to `count`: fewer where no more are to be had.
  ThreadPool(std::size_t count, const std::function<void()>& work);

  std::vector<std::jthread> threads;
  std::exception_ptr hindrance;  ///< why there are fewer
};

/// Calls `task(i)` for i < count, in ascending order of starting, from up to `threads` threads.
/// After an exception no further task is started; the first one is thrown when all threads are
/// done.
void parallel_for(std::size_t count, std::size_t threads,
                  const std::function<void(std::size_t)>& task);

}  // namespace lamina::checkpoint
