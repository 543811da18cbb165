#include "training/graph/train_graph.h"

#include <algorithm>

#include "core/device_memory.h"
#include "models/run/lowering.h"
#include "models/weights/access.h"
#include "ops/backend.h"
#include "runtime/devices.h"
#include "runtime/marked_tensors.h"
#include "training/optimizers/scalars.h"

namespace lamina::training {
namespace {

Model& built_for(Model& model, const std::vector<Shape>& shapes) {
  if (!model.built()) model.build(shapes);
  return model;
}

std::vector<ops::TensorSpec> input_specs(Model& model, const std::vector<Shape>& shapes,
                                         const std::vector<DType>& given) {
  const SymbolicTensors placeholders = model.inputs();
  if (placeholders.size() != shapes.size()) {
    throw ValueError("Model '" + model.name() + "' takes " + std::to_string(placeholders.size()) +
                     " inputs; received " + std::to_string(shapes.size()) + " shapes.");
  }
  std::vector<ops::TensorSpec> specs;
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    const Shape& expected = placeholders[i].shape();
    bool fits = shapes[i].is_known() && shapes[i].rank() == expected.rank();
    for (std::size_t k = 1; fits && k < expected.rank(); ++k) {  // batches are of any size
      fits = expected.dims()[k] == kNone || expected.dims()[k] == shapes[i].dims()[k];
    }
    if (!fits) {
      throw ValueError("Input " + std::to_string(i) + " of model '" + model.name() +
                       "' should have the shape " + expected.str() + "; received " +
                       shapes[i].str() + ".");
    }
    specs.push_back(
        {shapes[i], models::Access::input_dtype(
                        model, i, given.empty() ? placeholders[i].dtype() : given.at(i))});
  }
  return specs;
}

}  // namespace

TrainGraph::TrainGraph(Model& model, const std::vector<Shape>& input_shapes, Device device)
    : TrainGraph(model, input_shapes, device, Options{}) {}

TrainGraph::TrainGraph(Model& model, const std::vector<Shape>& input_shapes, Device device,
                       const Options& options)
    : mode_(options.mode),
      backend_(ops::make_backend(device)),
      runner_(device),
      gradients_(device, {}),
      scales_(device, {}),
      variables_(built_for(model, input_shapes).trainable_variables()),
      penalties_(options.mode == Mode::kTraining ? variables_ : std::vector<VariablePtr>(),
                 device) {
  const std::vector<ops::TensorSpec> specs = input_specs(model, input_shapes, options.given);
  for (const ops::TensorSpec& spec : specs) input_dtypes_.push_back(spec.dtype);
  const bool training = options.mode == Mode::kTraining;
  graph::Program program = models::lower_model(
      model, specs, training ? graph::Builder::Mode::kTraining : graph::Builder::Mode::kEvaluation);
  for (const graph::MovingAverage& average : program.moving_averages) {
    const auto output =
        std::find(program.outputs.begin(), program.outputs.end(), average.statistics);
    averages_.push_back({average.variable,
                         static_cast<std::size_t>(output - program.outputs.begin()), average.row,
                         average.momentum});
  }
  states_.emplace(program);
  outputs_count_ = model.outputs().size();
  mask_outputs_ = program.output_masks;
  for (const graph::ValueId penalty : program.activity_penalties) {
    penalty_dtypes_.push_back(program.values[penalty].dtype);
  }
  graph::Wanted wanted;
  if (training) wanted = {outputs_count_ + penalty_dtypes_.size(), variables_, options.inputs};
  plan_ = std::make_unique<graph::TrainingPlan>(
      std::move(program), wanted, backend_,
      graph::PlanOptions{.optimize = options.optimize, .profile = options.profile});
  note_outputs(plan_->program());
  std::shared_ptr<runtime::UploadStage> stage = options.stage;
  if (device != Device::cpu() && !stage) {
    stage = std::make_shared<runtime::UploadStage>(runtime::devices().get(device));
  }
  inputs_.emplace(device, input_dtypes_, std::move(stage));
}

void TrainGraph::note_outputs(const graph::Program& program) {
  for (std::size_t i = 0; i < outputs_count_; ++i) {
    output_specs_.push_back(program.values[program.outputs[i]]);
  }
  for (const std::optional<std::size_t>& mask : mask_outputs_) {
    std::optional<Shape> shape;
    if (mask) shape = program.values[program.outputs[*mask]].shape;
    mask_shapes_.push_back(std::move(shape));
  }
}

void TrainGraph::prepare_averages(const std::vector<Tensor>& all_outputs) {
  for (const Average& average : averages_) {
    pending_averages_.push_back(
        {&average, all_outputs[average.output], average_memory_.writable(average.variable)});
  }
}

void TrainGraph::update_state() {
  for (PendingAverage& pending : pending_averages_) {
    const Average& average = *pending.average;
    Variable& variable = *average.variable;
    const Tensor& statistics = pending.statistics;
    kernels::FollowJob job{};
    job.dtype = variable.dtype();
    job.batch_dtype = statistics.dtype();
    job.size = variable.shape().size();
    job.batch = static_cast<const std::byte*>(statistics.raw()) +
                static_cast<std::size_t>(average.row * job.size) * dtype_size(job.batch_dtype);
    job.average.in = variable.value().raw();
    job.average.out = pending.next.raw();
    job.momentum = average.momentum;
    runner_.run(job);
    variable.assign(std::move(pending.next));
  }
  pending_averages_.clear();
  if (!pending_states_.empty()) states_->assign(std::move(pending_states_));
  pending_states_.clear();
}

const std::vector<Tensor>& TrainGraph::forward(const std::vector<Tensor>& inputs,
                                               RandomState state) {
  begin_forward(inputs, state);
  return finish_forward();
}

void TrainGraph::begin_forward(const std::vector<Tensor>& inputs, RandomState state,
                               const std::vector<Tensor>& beside) {
  begin_forward(send(inputs, state, beside));
}

SentInputs TrainGraph::send(const std::vector<Tensor>& inputs, RandomState state,
                            const std::vector<Tensor>& beside) {
  std::vector<Tensor> behind;
  if (plan_->draws()) behind.push_back(graph::tensor_of(state));
  behind.insert(behind.end(), beside.begin(), beside.end());
  return {state, inputs.size(), beside.size(), inputs_->send(inputs, behind)};
}

bool TrainGraph::holds(const SentInputs& sent, RandomState state) const {
  return sent.state.seed == state.seed && sent.state.counter == state.counter &&
         inputs_->holds(*sent.tensors);
}

void TrainGraph::begin_forward(const SentInputs& sent) {
  pending_averages_.clear();
  pending_states_.clear();
  computed_ = false;
  const std::vector<Tensor>& placed = inputs_->take(*sent.tensors);
  const auto behind = placed.begin() + static_cast<std::ptrdiff_t>(sent.inputs);
  beside_.assign(placed.end() - static_cast<std::ptrdiff_t>(sent.beside), placed.end());
  const std::vector<Tensor>& all =
      plan_->forward({placed.begin(), behind}, plan_->draws() ? *behind : Tensor());
  const std::span<const Tensor> own(all.data(), outputs_count_ + penalty_dtypes_.size());
  device_outputs_.assign(own.begin(), own.end());
  device_masks_.assign(outputs_count_, Tensor());
  for (std::size_t i = 0; i < mask_outputs_.size(); ++i) {
    if (!mask_outputs_[i]) continue;
    device_masks_[i] = all[*mask_outputs_[i]];
    device_outputs_.push_back(device_masks_[i]);
  }
  device_outputs_.push_back(penalties_.sums());  // one passage, and one wait, for all
  if (device() != Device::cpu()) mark_outputs();
  prepare_averages(all);
  given_states_ = states_->among(all);
}

void TrainGraph::mark_outputs() {
  if (mark_) {
    mark_->move();
  } else {
    mark_ = runtime::mark(device());
  }
  computed_ = true;
}

const std::vector<Tensor>& TrainGraph::finish_forward() {
  if (computed_) {
    outputs_ = runtime::copies_on_host(device_outputs_, *mark_);
    computed_ = false;
    backend_->complain();  // of what kernels had to refuse in forward
  } else {
    outputs_ = device_outputs_;
  }
  take_penalties();
  if (!states_->empty()) pending_states_ = core::copies_on(device(), given_states_);
  return outputs_;
}

const std::vector<Tensor>& TrainGraph::output_gradients() {
  if (output_gradients_.empty()) {
    std::vector<Tensor> places;
    for (const ops::TensorSpec& spec : output_specs_) {
      places.push_back(Tensor::empty(spec.shape, spec.dtype, device()));
    }
    output_gradients_ = std::move(places);
  }
  return output_gradients_;
}

void TrainGraph::take_penalties() {
  penalty_ = penalties_.value_of(outputs_.back());
  outputs_.pop_back();
  take_masks();
  activity_penalty_ = 0;
  for (; outputs_.size() > outputs_count_; outputs_.pop_back()) {
    activity_penalty_ += outputs_.back().cast(DType::kFloat64).data<double>()[0];
  }
}

bool TrainGraph::has_output_masks() const {
  return std::any_of(mask_outputs_.begin(), mask_outputs_.end(),
                     [](const auto& mask) { return mask.has_value(); });
}

void TrainGraph::take_masks() {
  output_masks_.assign(outputs_count_, Tensor());
  for (std::size_t i = mask_outputs_.size(); i-- > 0;) {
    if (!mask_outputs_[i]) continue;
    output_masks_[i] = std::move(outputs_.back());
    outputs_.pop_back();
  }
}

bool has_output_masks(Model& model, const std::vector<Tensor>& x) {
  std::vector<Shape> shapes;
  std::vector<DType> given;
  for (const Tensor& tensor : x) {
    shapes.push_back(tensor.shape());
    given.push_back(tensor.dtype());
  }
  const graph::Program program =
      models::lower_model(model, input_specs(built_for(model, shapes), shapes, given),
                          graph::Builder::Mode::kEvaluation);
  return std::any_of(program.output_masks.begin(), program.output_masks.end(),
                     [](const auto& mask) { return mask.has_value(); });
}

std::vector<Tensor> TrainGraph::penalty_gradients(double scale) const {
  std::vector<Tensor> out;
  for (const DType dtype : penalty_dtypes_) out.push_back(filled({}, dtype, scale));
  return out;
}

const std::vector<Tensor>& TrainGraph::backward(const std::vector<Tensor>& output_gradients,
                                                double penalty_scale) {
  std::vector<Tensor> of_all = output_gradients;
  for (Tensor& scale : penalty_gradients(penalty_scale)) of_all.push_back(std::move(scale));
  return run_backward(gradients_.put(of_all), penalty_scale);
}

const std::vector<Tensor>& TrainGraph::backward_of_device(double penalty_scale) {
  if (placed_scale_ != penalty_scale) {
    placed_scale_.reset();  // until they are there
    placed_scales_ = scales_.put(penalty_gradients(penalty_scale));
    placed_scale_ = penalty_scale;
  }
  std::vector<Tensor> of_all = output_gradients();
  of_all.insert(of_all.end(), placed_scales_.begin(), placed_scales_.end());
  return run_backward(of_all, penalty_scale);
}

const std::vector<Tensor>& TrainGraph::run_backward(const std::vector<Tensor>& placed,
                                                    double penalty_scale) {
  const std::vector<Tensor>& gradients = plan_->backward(placed);
  penalties_.add_gradients(gradients, penalty_scale,
                           [this](std::size_t index) { return !plan_->computes(index); });
  return gradients;
}

}  // namespace lamina::training
