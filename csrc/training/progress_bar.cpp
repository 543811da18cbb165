#include "training/progress_bar.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cmath>

namespace lamina::training {
namespace {

constexpr int kColumns = 20;
constexpr std::chrono::milliseconds kInterval{50};

std::string step_time(double seconds) {
  if (seconds >= 1 || seconds == 0) return fmt::format("{:.0f}s/step", seconds);
  if (seconds >= 1e-3) return fmt::format("{:.0f}ms/step", seconds * 1e3);
  return fmt::format("{:.0f}us/step", seconds * 1e6);
}

std::string remaining(double seconds) {
  const auto s = static_cast<long>(seconds);
  if (s > 3600) return fmt::format("{}:{:02}:{:02}", s / 3600, s % 3600 / 60, s % 60);
  if (s > 60) return fmt::format("{}:{:02}", s / 60, s % 60);
  return fmt::format("{}s", s);
}

std::string repeated(int count) {
  std::string out;
  for (int i = 0; i < count; ++i) out += "\xE2\x94\x81";  // a heavy horizontal line
  return out;
}

}  // namespace

std::string progress_text(std::int64_t done, std::int64_t steps, double seconds, const Logs& logs,
                          bool last, int columns) {
  const double each = done > 0 ? seconds / static_cast<double>(done) : 0;
  const int digits = static_cast<int>(std::to_string(steps).size());
  const std::string count = fmt::format("{:>{}}/{}", done, digits, steps);
  const double rest = each * static_cast<double>(steps - done);
  const std::string time = last ? fmt::format("{:.0f}s", seconds) : remaining(rest);
  std::string text;
  if (columns > 0) {
    const auto full = static_cast<int>(columns * done / std::max<std::int64_t>(steps, 1));
    text = fmt::format("\x1b[1m{}\x1b[0m \x1b[32m{}\x1b[0m\x1b[37m{}\x1b[0m \x1b[1m{}\x1b[0m {}",
                       count, repeated(full), repeated(columns - full), time, step_time(each));
  } else {
    text = fmt::format("{} - {} - {}", count, time, step_time(each));
  }
  for (const auto& [name, value] : logs) {
    text += std::fabs(value) > 1e-3 ? fmt::format(" - {}: {:.4f}", name, value)
                                    : fmt::format(" - {}: {:.4e}", name, value);
  }
  return text;
}

ProgressBar::ProgressBar(std::int64_t steps, Verbose verbose, std::FILE* stream)
    : steps_(steps), verbose_(verbose), stream_(stream), start_(Clock::now()), next_(start_) {}

Verbose ProgressBar::resolved(Verbose verbose, std::FILE* stream) {
  if (verbose != Verbose::kAuto) return verbose;
  return ::isatty(::fileno(stream)) == 1 ? Verbose::kBar : Verbose::kLine;
}

void ProgressBar::update(std::int64_t done, const Logs& logs) {
  if (verbose_ != Verbose::kBar || Clock::now() < next_) return;
  draw(done, logs, false);
  next_ = Clock::now() + kInterval;
}

void ProgressBar::finish(std::int64_t done, const Logs& logs) {
  if (verbose_ == Verbose::kBar || verbose_ == Verbose::kLine) draw(done, logs, true);
}

void ProgressBar::draw(std::int64_t done, const Logs& logs, bool last) {
  const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
  const bool bar = verbose_ == Verbose::kBar;
  const std::string text = progress_text(done, steps_, seconds, logs, last, bar ? kColumns : 0);
  // What was drawn before may have been longer.
  fmt::print(stream_, "{}{}{}{}", bar ? "\r" : "", text, bar ? "\x1b[K" : "", last ? "\n" : "");
  std::fflush(stream_);
}

}  // namespace lamina::training
