#include "training/callbacks/monitor.h"

#include <fmt/format.h>
#include <lamina/log.h>

namespace lamina::training {

void Monitor::begin(const char* callback, const FitRun& run) {
  if (mode_ != callbacks::Mode::kAuto) return;
  const std::optional<Direction> direction = run.direction(name_);
  if (!direction) {
    throw ValueError(
        fmt::format("{} callback received monitor={}, but Lamina isn't able to automatically "
                    "determine whether that metric should be maximized or minimized. Pass "
                    "`mode='max'` in order to monitor based on the highest metric value, or pass "
                    "`mode='min'` in order to use the lowest value.",
                    callback, name_));
  }
  greater_ = *direction == Direction::kUp;
}

std::optional<double> Monitor::value(const Logs& logs, const char* missing) const {
  if (const auto it = logs.find(name_); it != logs.end()) return it->second;
  std::string known;
  for (const auto& [name, value] : logs) known += (known.empty() ? "" : ",") + name;
  warn(fmt::format(fmt::runtime(missing), name_, known));
  return {};
}

}  // namespace lamina::training
