#pragma once
#include <algorithm>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

namespace lamina::testing {

/// Time that passes only by what is charged for: every thread has its own, moved on by what it
/// waits for. Timings are then exact on any machine, however loaded.
class VirtualClock {
 public:
  [[nodiscard]] double now() const {
    const std::lock_guard lock(mutex_);
    const auto found = times_.find(std::this_thread::get_id());
    return found == times_.end() ? start_ : found->second;
  }
  /// Where the time of threads starts that have none yet.
  void start_at(double time) {
    const std::lock_guard lock(mutex_);
    start_ = time;
  }
  void advance_to(double time) {
    const std::lock_guard lock(mutex_);
    double& mine = times_.try_emplace(std::this_thread::get_id(), start_).first->second;
    mine = std::max(mine, time);
  }

 private:
  mutable std::mutex mutex_;
  double start_ = 0;
  std::map<std::thread::id, double> times_;
};

/// Something that does one thing at a time, such as a bus or a disk. Takes the first gap that is
/// long enough: real threads do not ask in the order of virtual time.
class Lane {
 public:
  /// When work that may start at `ready` ends.
  double take(double ready, double length) {
    const std::lock_guard lock(mutex_);
    double start = ready;
    auto place = taken_.begin();
    for (; place != taken_.end(); ++place) {
      if (start + length <= place->first) break;
      start = std::max(start, place->second);
    }
    taken_.insert(place, {start, start + length});
    return start + length;
  }

 private:
  std::mutex mutex_;
  std::vector<std::pair<double, double>> taken_;  // ascending
};

}  // namespace lamina::testing
