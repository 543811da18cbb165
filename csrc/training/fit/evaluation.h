#pragma once
#include <lamina/training.h>

#include <cstdint>
#include <optional>

#include "training/fit/feed.h"
#include "training/fit/progress_bar.h"
#include "training/fit/trainer.h"

namespace lamina::training {

/// How `evaluate` and `predict` take batches: each of the data once and in its order, of loaders as
/// epoch 0 with the seed 0; or `steps` of them.
class OnePass {
 public:
  /// `what` is interrupted where the data have fewer: "evaluation"; `option` is what gave `steps`.
  /// Throws ValueError for endless data without steps.
  OnePass(Feed& feed, std::optional<std::int64_t> steps, const char* option, const char* what);
  [[nodiscard]] std::int64_t steps() const noexcept { return plan_.steps(); }
  /// Calls f(batch, batches so far, this one included).
  template <class F>
  void for_each(const F& f) {
    const Stretch all = plan_.of(0);
    feed_.begin(0, 0, 0, all.count);
    for (std::int64_t done = 1; done <= all.count; ++done) f(feed_.next(), done);
    feed_.end();
    finish(all.count);
  }
  /// Of `f`: the batch that comes next, if it is there without waiting for it.
  [[nodiscard]] Batch* ahead() noexcept { return feed_.ahead(); }

 private:
  void finish(std::int64_t done) const;

  Feed& feed_;
  EpochPlan plan_;
  const char* what_;
};

/// Loss and metrics of these data; `bar` may be null.
Logs evaluate(Trainer& trainer, OnePass& data, ProgressBar* bar);

}  // namespace lamina::training
