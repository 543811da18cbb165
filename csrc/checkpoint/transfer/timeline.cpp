#include "checkpoint/transfer/timeline.h"

#include <algorithm>
#include <chrono>

namespace lamina::checkpoint {

Timeline::Timeline()
    : Timeline([] {
        const auto since = std::chrono::steady_clock::now().time_since_epoch();
        return std::chrono::duration<double>(since).count();
      }) {}

std::vector<TimelineSpan> Timeline::spans() const {
  const std::lock_guard lock(mutex_);
  std::vector<TimelineSpan> out = spans_;
  std::stable_sort(out.begin(), out.end(),
                   [](const TimelineSpan& a, const TimelineSpan& b) { return a.start < b.start; });
  return out;
}

}  // namespace lamina::checkpoint
