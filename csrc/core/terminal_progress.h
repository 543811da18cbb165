#pragma once
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>

namespace lamina::core {

/// A bar on standard error for work that takes long: "predict  [=====>    ]  52%  13/25  4.1
/// batch/s  eta 3s". Redrawn in place at most ten times a second on a terminal; elsewhere a plain
/// line at most every five seconds. Nothing is drawn for work that ends within the first half
/// second. Not synchronised.
class TerminalProgress {
 public:
  /// How counts are written: plain ("13/25", with `unit`) or as bytes ("1.2/3.4 GB", "800 MB/s").
  enum class Style : std::uint8_t { kCount, kBytes };

  TerminalProgress(std::string title, std::uint64_t total, Style style = Style::kCount,
                   std::string unit = "", std::FILE* stream = stderr);
  /// Ends the line that was begun, if any.
  ~TerminalProgress();
  TerminalProgress(const TerminalProgress&) = delete;
  TerminalProgress& operator=(const TerminalProgress&) = delete;

  /// `done` of `total` are finished.
  void update(std::uint64_t done);
  void update(std::uint64_t done, std::uint64_t total);

 private:
  using Clock = std::chrono::steady_clock;
  void draw(Clock::time_point now);

  std::string title_, unit_;
  std::uint64_t done_ = 0, total_;
  Style style_;
  std::FILE* stream_;
  bool terminal_, drawn_ = false;
  Clock::time_point start_, next_;
};

/// The text of one state of the bar, `width` columns at most; `seconds` since the start.
[[nodiscard]] std::string progress_line(const std::string& title, std::uint64_t done,
                                        std::uint64_t total, double seconds,
                                        TerminalProgress::Style style, const std::string& unit,
                                        std::size_t width);

}  // namespace lamina::core
