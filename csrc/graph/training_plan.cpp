#include "graph/training_plan.h"

#include <lamina/error.h>

#include "graph/passes/passes.h"
#include "graph/verify.h"

namespace lamina::graph {
namespace {

Derivative derivative_of(Program program, const Wanted& wanted, bool optimized) {
  verify(program);
  program =
      optimized ? optimize_for_training(std::move(program)) : separate_outputs(std::move(program));
  Derivative derivative = differentiate(std::move(program), wanted);
  if (optimized) {  // and so without anything dead in front of the gradients
    derivative.program = join_pads(std::move(derivative.program), derivative.forward_ops);
  }
  derivative.program = separate_outputs(std::move(derivative.program));
  verify(derivative.program);
  return derivative;
}

/// The specs of what is wanted, in order.
std::vector<ops::TensorSpec> specs_of(const Program& program, const Wanted& wanted) {
  std::vector<ops::TensorSpec> specs;
  for (const VariablePtr& variable : wanted.variables) {
    specs.push_back({variable->shape(), variable->dtype()});
  }
  for (const std::size_t input : wanted.inputs) {
    specs.push_back(program.values[program.inputs[input]]);
  }
  return specs;
}

void require_count(std::size_t wanted, std::size_t given, const char* what) {
  if (wanted == given) return;
  throw ValueError("The program takes " + std::to_string(wanted) + " " + what + "; received " +
                   std::to_string(given) + ".");
}

}  // namespace

Tensor tensor_of(RandomState state) {
  return Tensor::from<std::uint64_t>({state.seed, state.counter}, {2});
}

TrainingPlan::TrainingPlan(Program program, const Wanted& wanted,
                           std::shared_ptr<ops::Backend> backend, const PlanOptions& options)
    : own_inputs_(program.inputs.size()),
      own_outputs_(program.outputs.size()),
      wanted_outputs_(wanted.outputs),
      draws_(program.random_state.has_value()),
      timed_(options.profile),
      backend_(std::move(backend)),
      derivative_(derivative_of(std::move(program), wanted, options.optimize)),
      steps_(derivative_.program, backend_, timed_) {
  steps_.allocate(all_outputs_, 0, derivative_.program.outputs.size());
  outputs_.assign(all_outputs_.begin(),
                  all_outputs_.begin() + static_cast<std::ptrdiff_t>(own_outputs_));
  collect(specs_of(derivative_.program, wanted));
}

void TrainingPlan::collect(const std::vector<ops::TensorSpec>& specs) {
  for (std::size_t i = 0; i < specs.size(); ++i) {
    const auto& output = derivative_.gradients[i];
    gradients_.push_back(
        output ? all_outputs_[*output]
               : Tensor::zeros(specs[i].shape, specs[i].dtype).to(backend_->device()));
  }
}

void TrainingPlan::run(RecordedRun& recorded, std::size_t first, std::size_t last) {
  const auto steps = [&] { steps_.run(first, last, inputs_, all_outputs_); };
  if (timed_) return steps();
  RecordedRun::Places places;  // the outputs stay where they are
  for (const Tensor& input : inputs_) places.push_back(input.raw());
  recorded.run(*backend_, std::move(places), steps);
}

const std::vector<Tensor>& TrainingPlan::forward(const std::vector<Tensor>& inputs,
                                                 const Tensor& random_state) {
  require_count(own_inputs_ - (draws_ ? 1 : 0), inputs.size(), "inputs");
  ran_forward_ = false;
  inputs_ = inputs;
  if (draws_) inputs_.push_back(random_state);
  steps_.check(inputs_);
  steps_.refresh(false);
  run(forward_run_, 0, derivative_.forward_ops);
  ran_forward_ = true;
  return outputs_;
}

const std::vector<Tensor>& TrainingPlan::backward(const std::vector<Tensor>& output_gradients) {
  require_count(wanted_outputs_, output_gradients.size(), "output gradients");
  if (!ran_forward_) throw ValueError("backward() has to follow a forward() of its own.");
  inputs_.resize(own_inputs_);  // without those of a call that did not fit
  inputs_.insert(inputs_.end(), output_gradients.begin(), output_gradients.end());
  steps_.check(inputs_, own_inputs_);
  ran_forward_ = false;
  run(backward_run_, derivative_.forward_ops, derivative_.program.ops.size());
  return gradients_;
}

}  // namespace lamina::graph
