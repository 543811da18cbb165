#pragma once
#include <lamina/training.h>

#include <chrono>
#include <cstdint>
#include <cstdio>

#include "training/fit/progress_text.h"

namespace lamina::training {

/// Keras's progress of one epoch: a bar that is redrawn, or one line at the end.
class ProgressBar {
 public:
  /// `verbose` is kBar, kLine or kSilent: see `resolved`.
  ProgressBar(std::int64_t steps, Verbose verbose, std::FILE* stream = stderr);
  /// kAuto is a bar on a terminal, else lines.
  [[nodiscard]] static Verbose resolved(Verbose verbose, std::FILE* stream = stderr);

  void update(std::int64_t done, const Logs& logs);
  /// These logs are shown before those that `finish` adds.
  void add(const Logs& logs) { text_.add(logs); }
  /// The last state, and the end of the line.
  void finish(std::int64_t done, const Logs& logs);

 private:
  using Clock = std::chrono::steady_clock;
  [[nodiscard]] double seconds() const;
  void draw(std::int64_t done, const Logs& logs, bool last);

  Verbose verbose_;
  std::FILE* stream_;
  ProgressText text_;
  Clock::time_point start_, next_;
};

}  // namespace lamina::training
