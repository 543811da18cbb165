#pragma once
#include <lamina/tensor.h>

#include <memory>
#include <vector>

#include "graph/training_plan.h"
#include "runtime/upload_stage.h"

namespace lamina::training {

using graph::RandomState;

class TrainGraph;

/// What a forward() needs, made ready and, where the graph is on a device, on its way there.
class SentInputs {
 public:
  SentInputs() = default;
  /// Waits for the copies of what nobody has taken.
  ~SentInputs();
  SentInputs(const SentInputs&) = delete;
  SentInputs& operator=(const SentInputs&) = delete;

 private:
  friend class TrainGraph;
  const TrainGraph* graph_ = nullptr;
  RandomState state_;
  std::vector<Tensor> given_;  ///< inputs, the random state where it is read, and what is beside
  std::size_t inputs_ = 0, beside_ = 0;
  std::shared_ptr<runtime::UploadStage> stage_;  ///< null: nothing is sent
  runtime::UploadStage::Number number_ = 0;
};

}  // namespace lamina::training
