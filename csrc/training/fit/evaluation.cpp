#include "training/fit/evaluation.h"

#include "models/run/batching.h"

namespace lamina::training {

OnePass::OnePass(Feed& feed, std::optional<std::int64_t> steps, const char* option,
                 const char* what)
    : feed_(feed), plan_(feed.batches(), steps, option, 0), what_(what) {}

void OnePass::finish(std::int64_t done) const {
  if (done < plan_.steps()) models::warn_out_of_data(what_, done, plan_.steps());
}

Logs evaluate(Trainer& trainer, OnePass& data, ProgressBar* bar) {
  trainer.reset_metrics();
  std::int64_t done = 0;
  data.for_each([&](const Batch& batch, std::int64_t count) {
    trainer.test(batch, [&] { return data.ahead(); });
    done = count;
    if (bar != nullptr) bar->update(done, trainer.logs());
  });
  Logs logs = trainer.logs();
  if (bar != nullptr) bar->finish(done, logs);
  return logs;
}

}  // namespace lamina::training
