#include "training/fit/progress_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace lamina::training {
namespace {

std::string step_time(double seconds) {
  if (seconds >= 1 || seconds == 0) return fmt::format("{:.0f}s/step", seconds);
  if (seconds >= 1e-3) return fmt::format("{:.0f}ms/step", seconds * 1e3);
  return fmt::format("{:.0f}us/step", seconds * 1e6);
}

std::string remaining(double seconds) {
  const auto s = static_cast<std::int64_t>(seconds);
  if (seconds > 3600) return fmt::format("{}:{:02}:{:02}", s / 3600, s % 3600 / 60, s % 60);
  if (seconds > 60) return fmt::format("{}:{:02}", s / 60, s % 60);
  return fmt::format("{}s", s);
}

std::string repeated(int count) {
  std::string out;
  for (int i = 0; i < count; ++i) out += "\xE2\x94\x81";  // a heavy horizontal line
  return out;
}

}  // namespace

void ProgressText::add(const Logs& logs) {
  for (const auto& [name, value] : logs) {
    if (std::find(names_.begin(), names_.end(), name) == names_.end()) names_.push_back(name);
  }
}

void ProgressText::step(std::int64_t done, double seconds) {
  if (done == 1) first_step_ = seconds;
}

double ProgressText::step_seconds(std::int64_t done, double seconds) const {
  if (done == 0) return 0;
  if (done == 1 || !first_step_) return seconds / static_cast<double>(done);
  return (seconds - *first_step_) / static_cast<double>(done - 1);
}

std::string ProgressText::bar(std::int64_t done) const {
  const double part =
      static_cast<double>(done) / static_cast<double>(std::max<std::int64_t>(steps_, 1));
  const int full = static_cast<int>(columns_ * part);
  std::string out;
  if (full > 0) out = fmt::format("\x1b[32m{}\x1b[0m", repeated(full));
  return out + fmt::format("\x1b[37m{}\x1b[0m", repeated(columns_ - full));
}

// Keras's line, unlike its bar, has negative numbers with an exponent, however large they are.
std::string ProgressText::number(double value) const {
  if (std::isnan(value)) return "nan";  // whatever its sign
  const bool plain = (columns_ > 0 ? std::fabs(value) : value) > 1e-3;
  return plain ? fmt::format("{:.4f}", value) : fmt::format("{:.4e}", value);
}

std::string ProgressText::str(std::int64_t done, double seconds, const Logs& logs,
                              bool last) const {
  const double each = step_seconds(done, seconds);
  const std::string count = fmt::format("{:>{}}/{}", done, std::to_string(steps_).size(), steps_);
  const std::string time =
      last ? fmt::format("{:.0f}s", seconds) : remaining(each * static_cast<double>(steps_ - done));
  std::string text;
  if (columns_ > 0) {
    text = fmt::format("\x1b[1m{}\x1b[0m {} \x1b[1m{}\x1b[0m {}", count, bar(done), time,
                       step_time(each));
  } else {
    text = fmt::format("{} - {} - {}", count, time, step_time(each));
  }
  for (const std::string& name : names_) {
    const auto log = logs.find(name);
    if (log != logs.end()) text += fmt::format(" - {}: {}", name, number(log->second));
  }
  return text;
}

}  // namespace lamina::training
