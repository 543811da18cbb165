#pragma once
#include <lamina/model.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "graph/input_places.h"
#include "ops/spec.h"

namespace lamina::models {

/// The inputs of one run, made ready and perhaps on their way to the model's device.
struct ReadyBatch {
  std::vector<ops::TensorSpec> signature;  ///< of the plan that runs them
  std::vector<Tensor> inputs;
  std::shared_ptr<graph::SentTensors> sent;
  /// Rows that the plan runs, of which those behind the batch's own are zeros.
  [[nodiscard]] std::int64_t computed() const { return signature.front().shape[0]; }
};

[[nodiscard]] bool any_released(const std::vector<VariablePtr>& variables);

/// Predicts one batch after another. While a device computes one, the next travels there, if there
/// is a plan for its shapes already.
class BatchRun {
 public:
  /// Where the weights are. Throws ValueError when some are here and others there.
  explicit BatchRun(Model& model);

  /// Whether plans that there are have to do, for the weights were released: they may run more rows
  /// than a batch has.
  [[nodiscard]] bool released() const noexcept { return released_; }
  /// Of inputs that fit the model (Model::standardize), all rows at once.
  [[nodiscard]] std::shared_ptr<ReadyBatch> ready(std::vector<Tensor> inputs) const;
  /// Gives the batch that comes next, if it is there; null if not.
  using Next = std::function<ReadyBatch*()>;
  /// The outputs. `next` is asked for once a device has been given the work; of what that or its
  /// sending throws nothing is said before its own run.
  [[nodiscard]] std::vector<Tensor> run(const ReadyBatch& batch, const Next& next = {}) const;

 private:
  Model& model_;
  bool released_ = false;
};

}  // namespace lamina::models
