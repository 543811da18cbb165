#include "graph/plan.h"

#include <lamina/error.h>

#include <algorithm>
#include <chrono>

#include "graph/memory_plan.h"
#include "graph/parameters.h"
#include "graph/passes/passes.h"
#include "graph/verify.h"

namespace lamina::graph {
namespace {

/// A kernel with the places of what it reads and writes; the pointers are filled in at each run.
struct Step {
  ops::KernelPtr kernel;
  std::vector<Slot> inputs;
  Slot output;
  std::size_t workspace = 0;
  std::vector<const void*> input_pointers;
  ProfileRow profile;
};

class CompiledPlan final : public Plan {
 public:
  CompiledPlan(Program program, std::shared_ptr<ops::Backend> backend, const PlanOptions& options);

  void refresh(bool release) override { parameters_.refresh(release); }
  std::vector<Tensor> run(const std::vector<Tensor>& inputs) override;

  std::size_t arena_bytes() const override { return arena_.nbytes(); }
  std::size_t kernel_count() const override { return steps_.size(); }
  const Program& program() const override { return program_; }
  std::vector<ProfileRow> profile() const override;

 private:
  void add_step(std::size_t op, ops::KernelPtr kernel, const MemoryPlan& memory);
  void check(const std::vector<Tensor>& inputs) const;
  [[nodiscard]] std::vector<Tensor> new_outputs() const;
  void run_step(Step& step, const std::vector<Tensor>& inputs, std::vector<Tensor>& outputs);
  void run_timed(Step& step, const std::vector<Tensor>& inputs, std::vector<Tensor>& outputs);

  std::shared_ptr<ops::Backend> backend_;
  Program program_;
  bool timed_;
  Tensor arena_;
  std::vector<Step> steps_;
  Parameters parameters_;
};

CompiledPlan::CompiledPlan(Program program, std::shared_ptr<ops::Backend> backend,
                           const PlanOptions& options)
    : backend_(std::move(backend)), program_(std::move(program)), timed_(options.profile) {
  std::vector<ops::KernelPtr> kernels;
  for (const Op& op : program_.ops) kernels.push_back(backend_->make(op.spec));
  const MemoryPlan memory = plan_memory(
      program_,
      {[&](std::size_t op, std::size_t input) { return kernels[op]->can_run_in_place(input); },
       [&](std::size_t op) { return kernels[op]->workspace_bytes(); }});
  // Untouched until the first run, so packing does not pay for it.
  arena_ = Tensor::empty({static_cast<std::int64_t>(memory.arena_bytes)}, DType::kUInt8,
                         backend_->device());
  for (std::size_t i = 0; i < program_.ops.size(); ++i) {
    if (!memory.is_view[i]) add_step(i, std::move(kernels[i]), memory);
  }
}

void CompiledPlan::add_step(std::size_t index, ops::KernelPtr kernel, const MemoryPlan& memory) {
  const Op& op = program_.ops[index];
  Step step;
  parameters_.add(*kernel, op.params);
  step.kernel = std::move(kernel);
  for (ValueId id : op.inputs) step.inputs.push_back(memory.values[id]);
  step.output = memory.values[op.output];
  step.workspace = memory.workspace[index];
  step.input_pointers.resize(op.inputs.size());
  if (timed_) step.profile = profile_row(op);
  steps_.push_back(std::move(step));
}

void CompiledPlan::check(const std::vector<Tensor>& inputs) const {
  if (inputs.size() != program_.inputs.size()) {
    throw ValueError("The program takes " + std::to_string(program_.inputs.size()) +
                     " inputs; received " + std::to_string(inputs.size()) + ".");
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const ops::TensorSpec& spec = program_.values[program_.inputs[i]];
    if (inputs[i].defined() && inputs[i].shape() == spec.shape && inputs[i].dtype() == spec.dtype &&
        inputs[i].device() == backend_->device()) {
      continue;
    }
    throw ValueError("Input " + std::to_string(i) + " should be " + spec.shape.str() + " " +
                     std::string(dtype_name(spec.dtype)) + " on " + backend_->device().str() +
                     "; received " + inputs[i].shape().str() + " " +
                     std::string(dtype_name(inputs[i].dtype())) + " on " +
                     inputs[i].device().str() + ".");
  }
}

std::vector<Tensor> CompiledPlan::new_outputs() const {
  std::vector<Tensor> outputs;
  outputs.reserve(program_.outputs.size());
  for (ValueId id : program_.outputs) {
    outputs.push_back(
        Tensor::empty(program_.values[id].shape, program_.values[id].dtype, backend_->device()));
  }
  return outputs;
}

void CompiledPlan::run_step(Step& step, const std::vector<Tensor>& inputs,
                            std::vector<Tensor>& outputs) {
  auto* arena = static_cast<std::byte*>(arena_.raw());
  const auto writable = [&](const Slot& slot) -> void* {
    return slot.where == Slot::Where::kOutput ? outputs[slot.at].raw() : arena + slot.at;
  };
  for (std::size_t i = 0; i < step.inputs.size(); ++i) {
    const Slot& slot = step.inputs[i];
    step.input_pointers[i] =
        slot.where == Slot::Where::kInput ? inputs[slot.at].raw() : writable(slot);
  }
  void* const output = writable(step.output);
  step.kernel->run({step.input_pointers, {&output, 1}, arena + step.workspace});
}

void CompiledPlan::run_timed(Step& step, const std::vector<Tensor>& inputs,
                             std::vector<Tensor>& outputs) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  run_step(step, inputs, outputs);
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  ProfileRow& row = step.profile;
  row.seconds = row.runs++ == 0 ? seconds : std::min(row.seconds, seconds);
}

std::vector<Tensor> CompiledPlan::run(const std::vector<Tensor>& inputs) {
  check(inputs);
  refresh(false);
  std::vector<Tensor> outputs = new_outputs();
  for (Step& step : steps_) {
    if (timed_) {
      run_timed(step, inputs, outputs);
    } else {
      run_step(step, inputs, outputs);
    }
  }
  return outputs;
}

std::vector<ProfileRow> CompiledPlan::profile() const {
  std::vector<ProfileRow> rows;
  if (!timed_) return rows;
  for (const Step& step : steps_) rows.push_back(step.profile);
  return rows;
}

}  // namespace

std::unique_ptr<Plan> Plan::compile(Program program, std::shared_ptr<ops::Backend> backend,
                                    const PlanOptions& options) {
  verify(program);
  program = options.optimize ? optimize(std::move(program)) : separate_outputs(std::move(program));
  verify(program);
  return std::make_unique<CompiledPlan>(std::move(program), std::move(backend), options);
}

}  // namespace lamina::graph
