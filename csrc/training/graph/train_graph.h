#pragma once
#include <lamina/device.h>
#include <lamina/model.h>

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "graph/input_places.h"
#include "graph/training_plan.h"
#include "models/run/carried_states.h"
#include "ops/jobs/job_runner.h"
#include "runtime/device_context.h"
#include "training/optimizers/penalties.h"
#include "training/optimizers/step_memory.h"

namespace lamina::training {

using graph::RandomState;

/// What a forward() needs, made ready and, where the graph is on a device, on its way there.
struct SentInputs {
  RandomState state;
  std::size_t inputs = 0, beside = 0;  ///< how many: the random state, where it is read, between
  std::shared_ptr<graph::SentTensors> tensors;
};

/// A model lowered in training mode for one set of input shapes (batch normalisation on the batch's
/// statistics, with moving averages updated; dropout active), with its gradients. Reads the
/// variables afresh at each forward. One call at a time; evaluation uses Model::predict where the
/// model has no activity regularizers.
class TrainGraph {
 public:
  enum class Mode : std::uint8_t {
    kTraining,
    kEvaluation,  ///< layers as in prediction; no gradients
  };
  struct Options {
    Mode mode = Mode::kTraining;
    /// What the data are of, one for each input, where that decides in what the model takes them.
    /// Empty: the placeholders' dtypes.
    std::vector<DType> given = {};
    /// Also give the gradients with respect to these inputs, behind those of the variables.
    std::vector<std::size_t> inputs = {};
    /// Time each operation, for `profile()`.
    bool profile = false;
    /// Fuse (see optimize_for_training). Without it each operation runs as the layers wrote it.
    bool optimize = true;
    /// By which inputs go to the device: graphs of which one runs at a time may share it. Null: one
    /// of its own.
    std::shared_ptr<runtime::UploadStage> stage = {};
  };

  /// `input_shapes`: batch first, all known; a model that is not built yet is built for them.
  /// Layers whose `trainable` is false stay as they are: what is trainable is read here, once.
  /// Throws ValueError for shapes that do not suit the model, UnsupportedError for an operation
  /// without a gradient.
  TrainGraph(Model& model, const std::vector<Shape>& input_shapes, Device device = Device::cpu());
  TrainGraph(Model& model, const std::vector<Shape>& input_shapes, Device device,
             const Options& options);
  TrainGraph(const TrainGraph&) = delete;
  TrainGraph& operator=(const TrainGraph&) = delete;

  /// Runs forward; no variable changes. Inputs are cast to `input_dtypes()`. `state` drives
  /// dropout: use another counter at each step. The outputs of the model, on the host, valid until
  /// the next call. Throws ValueError naming an input that does not fit.
  const std::vector<Tensor>& forward(const std::vector<Tensor>& inputs, RandomState state = {});
  /// The masks of the outputs of the last `forward`, bool and as long valid; undefined for those
  /// without one.
  [[nodiscard]] const std::vector<Tensor>& output_masks() const { return output_masks_; }
  [[nodiscard]] bool has_output_masks() const;
  /// What regularizers add to the loss: of the variables as they were in the last forward (in
  /// training mode), and of what layers gave in it.
  [[nodiscard]] double penalty() const { return penalty_ + activity_penalty_; }
  /// The latter alone.
  [[nodiscard]] double activity_penalty() const { return activity_penalty_; }
  /// Takes the gradient of a scalar with respect to each output, of its shape and dtype. The
  /// gradients with respect to `variables()`, in that order and of their shapes and dtypes (zeros
  /// where nothing depends on one), on the graph's device; valid until the next call. They include
  /// those of `penalty_scale` times the penalty. Once after each forward, whose inputs and outputs
  /// must not have been written to: throws ValueError otherwise.
  const std::vector<Tensor>& backward(const std::vector<Tensor>& output_gradients,
                                      double penalty_scale = 1);
  /// Moves the moving averages on to what the last `forward` saw, and has the states that layers
  /// carry on be what it left: once, before or after `backward`. Needs no memory, so that on the
  /// host it cannot fail.
  void update_state();

  // The same for whoever computes the outputs' gradients on the graph's device, which then waits
  // for nothing between forward and backward:
  //
  //     graph.begin_forward(inputs, state, labels);
  //     ... jobs that make `output_gradients()` of `device_outputs()` and `beside()` ...
  //     graph.backward_of_device(scale);
  //     graph.finish_forward();

  /// forward() without waiting for the outputs: a device has been given the work. Arrays of the
  /// host `beside` the inputs come to the device with them. Nothing is waited for either, but for
  /// room where no inputs were as large before.
  void begin_forward(const std::vector<Tensor>& inputs, RandomState state,
                     const std::vector<Tensor>& beside = {});
  /// The first half of that, which may be done before what was begun is finished: the inputs travel
  /// while the device computes, and what is on it already stays there. Only what was sent last is
  /// there to be begun with. Throws ValueError for an undefined tensor, DeviceError.
  [[nodiscard]] SentInputs send(const std::vector<Tensor>& inputs, RandomState state,
                                const std::vector<Tensor>& beside = {});
  /// Whether the second half can be done with it: once.
  [[nodiscard]] bool holds(const SentInputs& sent, RandomState state) const;
  void begin_forward(const SentInputs& sent);
  /// On the graph's device, valid until the next forward: the arrays, and the model's outputs.
  [[nodiscard]] const std::vector<Tensor>& beside() const { return beside_; }
  [[nodiscard]] std::span<const Tensor> device_outputs() const {
    return std::span(device_outputs_).first(outputs_count_);
  }
  /// Their masks, bool; undefined for those without one.
  [[nodiscard]] const std::vector<Tensor>& device_output_masks() const { return device_masks_; }
  /// Places on the graph's device, of the outputs' shapes and dtypes, always the same.
  [[nodiscard]] const std::vector<Tensor>& output_gradients();
  /// backward() of what lies there.
  const std::vector<Tensor>& backward_of_device(double penalty_scale = 1);
  /// The rest of forward(): waits for what it gave the device and for nothing that came later;
  /// throws what kernels had to refuse. Gives the outputs on the host, and the penalties.
  const std::vector<Tensor>& finish_forward();

  [[nodiscard]] Device device() const { return runner_.device(); }
  [[nodiscard]] Mode mode() const { return mode_; }
  [[nodiscard]] const std::vector<ops::TensorSpec>& output_specs() const { return output_specs_; }
  /// The shapes of their masks; none for those without one.
  [[nodiscard]] const std::vector<std::optional<Shape>>& mask_shapes() const {
    return mask_shapes_;
  }
  [[nodiscard]] const std::vector<DType>& input_dtypes() const { return input_dtypes_; }
  /// The model's trainable variables when this was made.
  [[nodiscard]] const std::vector<VariablePtr>& variables() const { return variables_; }
  [[nodiscard]] const graph::TrainingPlan& plan() const { return *plan_; }

 private:
  struct Average {
    VariablePtr variable;
    std::size_t output;  ///< of the plan: the statistics
    std::int64_t row;
    double momentum;
  };

  /// A step of an average that has yet to be made, and where its new value goes.
  struct PendingAverage {
    const Average* average;
    Tensor statistics, next;
  };
  void note_outputs(const graph::Program& program);
  void mark_outputs();
  /// Penalties and masks leave the outputs, with which they came to the host.
  void take_penalties();
  void take_masks();
  /// `scale` for each of the activities' penalties.
  [[nodiscard]] std::vector<Tensor> penalty_gradients(double scale) const;
  const std::vector<Tensor>& run_backward(const std::vector<Tensor>& placed, double penalty_scale);
  /// Makes room for what `update_state` computes.
  void prepare_averages(const std::vector<Tensor>& all_outputs);

  Mode mode_;
  std::shared_ptr<ops::Backend> backend_;
  ops::JobRunner runner_;
  std::optional<graph::InputPlaces> inputs_;
  graph::InputPlaces gradients_, scales_;
  StepMemory average_memory_;
  std::vector<DType> input_dtypes_;
  std::vector<VariablePtr> variables_;
  std::vector<Average> averages_;
  std::vector<PendingAverage> pending_averages_;
  std::optional<models::CarriedStates> states_;
  /// Of the last forward, in the plan's outputs and, once it is finished, by themselves.
  std::vector<Tensor> given_states_, pending_states_;
  std::size_t outputs_count_ = 0;
  std::vector<DType> penalty_dtypes_;  ///< of the activities' penalties, behind the outputs
  double penalty_ = 0, activity_penalty_ = 0;
  Penalties penalties_;
  std::unique_ptr<graph::TrainingPlan> plan_;
  std::optional<runtime::DeviceMark> mark_;  ///< on a device: behind forward
  bool computed_ = false;                    ///< what is marked is to come to the host
  std::vector<Tensor> device_outputs_;       ///< masks and penalties behind them
  std::vector<Tensor> beside_, output_gradients_, placed_scales_;
  std::optional<double> placed_scale_;                    ///< what these hold
  std::vector<std::optional<std::size_t>> mask_outputs_;  ///< of the plan, for each output
  std::vector<ops::TensorSpec> output_specs_;
  std::vector<std::optional<Shape>> mask_shapes_;
  std::vector<Tensor> outputs_, output_masks_, device_masks_;
};

/// Whether outputs of the model have masks, for data of such shapes and dtypes.
[[nodiscard]] bool has_output_masks(Model& model, const std::vector<Tensor>& x);

}  // namespace lamina::training
