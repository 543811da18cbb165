#pragma once
#include <cstdint>
#include <functional>
#include <mutex>
#include <vector>

namespace lamina::checkpoint {

/// One thing that a transfer did.
struct TimelineSpan {
  enum class Lane : std::uint8_t { kCopy, kStorage };
  Lane lane;
  std::size_t slot;
  std::size_t file;   ///< in the order in which the files came; of a copy for several: the first
  double start, end;  ///< seconds of the timeline's clock
};

/// A record of transfers, for a plot. Safe to use from several threads.
class Timeline {
 public:
  /// Seconds from whenever. The default is the steady clock.
  using Clock = std::function<double()>;

  Timeline();
  explicit Timeline(Clock clock) : clock_(std::move(clock)) {}

  [[nodiscard]] double now() const { return clock_(); }
  void add(const TimelineSpan& span) {
    const std::lock_guard lock(mutex_);
    spans_.push_back(span);
  }
  /// By start. Not while a transfer runs.
  [[nodiscard]] std::vector<TimelineSpan> spans() const;

 private:
  Clock clock_;
  mutable std::mutex mutex_;
  std::vector<TimelineSpan> spans_;
};

}  // namespace lamina::checkpoint
