#include "core/terminal_progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>

#include "core/readable_size.h"

namespace lamina::core {
namespace {

using namespace std::chrono_literals;

std::size_t columns(std::FILE* stream) {
  winsize size{};
  if (ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 20) return size.ws_col - 1u;
  return 79;
}

std::string duration(double seconds) {
  const auto s = std::int64_t{std::lround(seconds)};
  if (s < 60) return fmt::format("{}s", s);
  if (s < 3600) return fmt::format("{}m{:02}s", s / 60, s % 60);
  return fmt::format("{}h{:02}m", s / 3600, s / 60 % 60);
}

std::string bar(double fraction, std::size_t width) {
  const auto filled = static_cast<std::size_t>(fraction * static_cast<double>(width));
  std::string out(filled, '=');
  if (filled < width) out += '>';
  out.resize(width, ' ');
  return "[" + out + "]";
}

}  // namespace

std::string progress_line(const std::string& title, std::uint64_t done, std::uint64_t total,
                          double seconds, TerminalProgress::Style style, const std::string& unit,
                          std::size_t width) {
  const double fraction =
      total == 0 ? 1.0 : std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
  const double rate = seconds > 0 ? static_cast<double>(done) / seconds : 0.0;
  std::string tail = fmt::format(" {:3.0f}%  ", fraction * 100);
  if (style == TerminalProgress::Style::kBytes) {
    tail += fmt::format("{} of {}  {}/s", readable_size(static_cast<double>(done)),
                        readable_size(static_cast<double>(total)), readable_size(rate));
  } else {
    tail += fmt::format("{}/{}  {:.1f} {}/s", done, total, rate, unit.empty() ? "step" : unit);
  }
  if (done >= total) {
    tail += "  " + duration(seconds);
  } else if (rate > 0) {
    tail += "  eta " + duration(static_cast<double>(total - done) / rate);
  }
  const std::size_t used = title.size() + 2 + tail.size() + 2;
  std::string line = title + "  ";
  if (used + 5 <= width) line += bar(fraction, std::min<std::size_t>(30, width - used));
  line += tail;
  if (line.size() > width) line.resize(width);
  return line;
}

TerminalProgress::TerminalProgress(std::string title, std::uint64_t total, Style style,
                                   std::string unit, std::FILE* stream)
    : title_(std::move(title)),
      unit_(std::move(unit)),
      total_(total),
      style_(style),
      stream_(stream),
      terminal_(isatty(fileno(stream)) == 1),
      start_(Clock::now()),
      next_(start_ + 500ms) {}

TerminalProgress::~TerminalProgress() {
  if (drawn_ && terminal_) std::fputc('\n', stream_);
}

void TerminalProgress::update(std::uint64_t done, std::uint64_t total) {
  total_ = total;
  update(done);
}

void TerminalProgress::update(std::uint64_t done) {
  done_ = done;
  const Clock::time_point now = Clock::now();
  if (now < next_ && !(drawn_ && done >= total_)) return;
  draw(now);
  next_ = now + (terminal_ ? 100ms : 5000ms);
}

void TerminalProgress::draw(Clock::time_point now) {
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const std::size_t width = terminal_ ? columns(stream_) : 79;
  const std::string line = progress_line(title_, done_, total_, seconds, style_, unit_, width);
  if (terminal_) {
    std::fprintf(stream_, "\r%-*s", static_cast<int>(width), line.c_str());
  } else {
    std::fprintf(stream_, "%s\n", line.c_str());
  }
  std::fflush(stream_);
  drawn_ = true;
}

}  // namespace lamina::core
