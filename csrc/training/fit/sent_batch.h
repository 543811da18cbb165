#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "models/run/batch_run.h"
#include "training/fit/batch_labels.h"
#include "training/fit/data.h"
#include "training/graph/train_graph.h"

namespace lamina::training {

/// What of a batch is done ahead of its step, while a device computes the one before.
struct SentBatch {
  std::optional<SentInputs> inputs;   ///< of a graph
  std::optional<BatchLabels> labels;  ///< where the device computes the losses' gradients
  std::shared_ptr<models::ReadyBatch> prediction;
};

/// The batch that comes next, if it is there; null if not. Throws nothing.
using Ahead = std::function<Batch*()>;

/// What the model predicts for a batch whose inputs fit it, all rows at once. The batch `ahead`
/// travels to the model's device meanwhile. Throws what Model::predict throws.
[[nodiscard]] std::vector<Tensor> predicted(Model& model, const Batch& batch, const Ahead& ahead);

}  // namespace lamina::training
