#include "training/fit/sent_batch.h"

namespace lamina::training {

std::vector<Tensor> predicted(Model& model, const Batch& batch, const Ahead& ahead) {
  const models::BatchRun run(model);
  if (run.released()) return model.predict(batch.x, {.batch_size = batch.rows()});
  const bool is_ready = batch.sent && batch.sent->prediction;
  const auto ready = is_ready ? batch.sent->prediction : run.ready(batch.x);
  return run.run(*ready, [&]() -> models::ReadyBatch* {
    Batch* const next = ahead ? ahead() : nullptr;
    if (next == nullptr) return nullptr;
    next->sent = std::make_shared<SentBatch>();
    next->sent->prediction = run.ready(next->x);
    return next->sent->prediction.get();
  });
}

}  // namespace lamina::training
