#include "training/fit/progress_bar.h"

#include <fmt/format.h>
#include <unistd.h>

#include "core/tell.h"

namespace lamina::training {
namespace {

constexpr int kColumns = 20;
constexpr std::chrono::milliseconds kInterval{50};

}  // namespace

ProgressBar::ProgressBar(std::int64_t steps, Verbose verbose, std::FILE* stream)
    : verbose_(verbose),
      stream_(stream),
      text_(steps, verbose == Verbose::kBar ? kColumns : 0),
      start_(Clock::now()),
      next_(start_) {}

Verbose ProgressBar::resolved(Verbose verbose, std::FILE* stream) {
  if (verbose != Verbose::kAuto) return verbose;
  return ::isatty(::fileno(stream)) == 1 ? Verbose::kBar : Verbose::kLine;
}

double ProgressBar::seconds() const {
  return std::chrono::duration<double>(Clock::now() - start_).count();
}

void ProgressBar::update(std::int64_t done, const Logs& logs) {
  if (verbose_ != Verbose::kBar) return;
  text_.step(done, seconds());
  if (Clock::now() < next_) return;
  draw(done, logs, false);
  next_ = Clock::now() + kInterval;
}

void ProgressBar::finish(std::int64_t done, const Logs& logs) {
  if (verbose_ == Verbose::kBar || verbose_ == Verbose::kLine) draw(done, logs, true);
}

void ProgressBar::draw(std::int64_t done, const Logs& logs, bool last) {
  text_.add(logs);
  const std::string text = text_.str(done, seconds(), logs, last);
  const bool bar = verbose_ == Verbose::kBar;
  // What was drawn before may have been longer.
  core::tell(stream_, "{}{}{}{}", bar ? "\r" : "", text, bar ? "\x1b[K" : "", last ? "\n" : "");
  std::fflush(stream_);
}

}  // namespace lamina::training
