#pragma once
#include <lamina/training.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>

namespace lamina::training {

/// Keras's progress of one epoch: a bar that is redrawn, or one line at the end.
class ProgressBar {
 public:
  /// `verbose` is kBar, kLine or kSilent: see `resolved`.
  ProgressBar(std::int64_t steps, Verbose verbose, std::FILE* stream = stderr);
  /// kAuto is a bar on a terminal, else lines.
  [[nodiscard]] static Verbose resolved(Verbose verbose, std::FILE* stream = stderr);

  void update(std::int64_t done, const Logs& logs);
  /// The last state, and the end of the line.
  void finish(std::int64_t done, const Logs& logs);

 private:
  using Clock = std::chrono::steady_clock;
  void draw(std::int64_t done, const Logs& logs, bool last);

  std::int64_t steps_;
  Verbose verbose_;
  std::FILE* stream_;
  Clock::time_point start_, next_;
};

/// One state in Keras's words; `seconds` since the epoch began. `columns` of a bar are drawn with
/// colours; 0 leaves the bar out.
[[nodiscard]] std::string progress_text(std::int64_t done, std::int64_t steps, double seconds,
                                        const Logs& logs, bool last, int columns);

}  // namespace lamina::training
