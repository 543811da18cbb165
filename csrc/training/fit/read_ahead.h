#pragma once
#include <lamina/training.h>

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>

namespace lamina::training {

/// Makes batches on a thread of its own, at most two ahead of who takes them.
class ReadAhead {
 public:
  /// `make` is called for `first` up to, without, `end`, in order, until it throws.
  ReadAhead(std::int64_t first, std::int64_t end, std::function<DataSet(std::int64_t)> make);
  /// Waits for the call that is under way.
  ~ReadAhead();
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;

  /// The next batch. Throws what making it threw.
  [[nodiscard]] DataSet next();
  /// Whether that need not wait for it, and throws nothing.
  [[nodiscard]] bool has_next();

 private:
  void run(std::int64_t first, std::int64_t end);

  static constexpr std::size_t kAhead = 2;

  std::function<DataSet(std::int64_t)> make_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<DataSet> ready_;
  std::exception_ptr failure_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace lamina::training
