#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "graph/differentiate.h"
#include "graph/plan.h"
#include "graph/recorded_run.h"
#include "graph/steps.h"

namespace lamina::graph {

/// What Dropout and Noise draw from: the same state drops the same elements.
struct RandomState {
  std::uint64_t seed = 0, counter = 0;
};
/// The state as programs read it: on the host, (2,), uint64.
[[nodiscard]] Tensor tensor_of(RandomState state);

/// A program in training mode made ready for one backend, with its gradients. One call at a time.
class TrainingPlan {
 public:
  /// Gradients with respect to `wanted`, whose outputs come first among the program's. Throws what
  /// Plan's constructor and differentiate throw.
  TrainingPlan(Program program, const Wanted& wanted, std::shared_ptr<ops::Backend> backend,
               const PlanOptions& options = {});
  TrainingPlan(const TrainingPlan&) = delete;
  TrainingPlan& operator=(const TrainingPlan&) = delete;

  /// Runs forward on the variables as they are; tensors given and returned are on the backend's
  /// device, and where that has a stream, it is given the work (see ops::Backend::settle). The
  /// outputs (all of the program's) are valid until the next call. `random_state`: what a program
  /// that draws reads (see tensor_of). Throws ValueError naming an input that does not fit.
  const std::vector<Tensor>& forward(const std::vector<Tensor>& inputs, const Tensor& random_state);
  /// The gradients of `wanted`, in its order, valid until the next call; zeros where nothing
  /// depends on it. Takes the gradient with respect to each wanted output. Once after each forward,
  /// whose inputs and outputs must not have changed: throws ValueError otherwise.
  const std::vector<Tensor>& backward(const std::vector<Tensor>& output_gradients);
  /// Whether the gradient at `index` is computed: not one of zeros, which stay what they are.
  [[nodiscard]] bool computes(std::size_t index) const {
    return derivative_.gradients[index].has_value();
  }

  /// Whether the program draws random numbers.
  [[nodiscard]] bool draws() const { return draws_; }
  [[nodiscard]] std::size_t arena_bytes() const { return steps_.arena_bytes(); }
  [[nodiscard]] const Program& program() const { return derivative_.program; }
  [[nodiscard]] std::size_t forward_ops() const { return derivative_.forward_ops; }
  [[nodiscard]] std::vector<ProfileRow> profile() const { return steps_.profile(); }

 private:
  void collect(const std::vector<ops::TensorSpec>& gradients);
  /// The operations [first, last), recorded when their inputs lie where they lay before.
  void run(RecordedRun& recorded, std::size_t first, std::size_t last);

  std::size_t own_inputs_, own_outputs_, wanted_outputs_;
  bool draws_;  ///< the last of its own inputs is the random state
  bool timed_;
  std::shared_ptr<ops::Backend> backend_;
  Derivative derivative_;
  Steps steps_;  // of the derivative, which stays where it is
  std::vector<Tensor> inputs_, all_outputs_, outputs_, gradients_;
  RecordedRun forward_run_, backward_run_;  // of the steps on these: they go first
  bool ran_forward_ = false;
};

}  // namespace lamina::graph
