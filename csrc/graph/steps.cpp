#include "graph/steps.h"

#include <lamina/error.h>

#include <algorithm>
#include <chrono>

#include "core/denormals.h"

namespace lamina::graph {

Steps::Steps(const Program& program, std::shared_ptr<ops::Backend> backend, bool timed)
    : program_(program), backend_(std::move(backend)), timed_(timed), parameters_(backend_) {
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
  for (const StateUpdate& update : program_.state_updates) parameters_.keep(*update.variable);
}

void Steps::add_step(std::size_t index, ops::KernelPtr kernel, const MemoryPlan& memory) {
  const Op& op = program_.ops[index];
  Step step;
  parameters_.add(*kernel, op.params);
  step.kernel = std::move(kernel);
  step.op = index;
  for (ValueId id : op.inputs) step.inputs.push_back(memory.values[id]);
  step.output = memory.values[op.output];
  step.workspace = memory.workspace[index];
  step.input_pointers.resize(op.inputs.size());
  if (timed_) step.profile = profile_row(op);
  steps_.push_back(std::move(step));
}

void Steps::check(const std::vector<Tensor>& inputs, std::size_t first) const {
  for (std::size_t i = first; i < inputs.size(); ++i) {
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

void Steps::allocate(std::vector<Tensor>& outputs, std::size_t first, std::size_t last) const {
  outputs.resize(std::max(outputs.size(), last));
  for (std::size_t i = first; i < last; ++i) {
    const ops::TensorSpec& spec = program_.values[program_.outputs[i]];
    outputs[i] = Tensor::empty(spec.shape, spec.dtype, backend_->device());
  }
}

void Steps::run_step(Step& step, const std::vector<Tensor>& inputs, std::vector<Tensor>& outputs) {
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

void Steps::run_timed(Step& step, const std::vector<Tensor>& inputs, std::vector<Tensor>& outputs) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  run_step(step, inputs, outputs);
  backend_->settle();
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  ProfileRow& row = step.profile;
  row.seconds = row.runs++ == 0 ? seconds : std::min(row.seconds, seconds);
}

void Steps::run(std::size_t first, std::size_t last, const std::vector<Tensor>& inputs,
                std::vector<Tensor>& outputs) {
  const core::FlushDenormals flush(backend_->flushes_denormals());
  for (Step& step : steps_) {
    if (step.op < first || step.op >= last) continue;
    if (timed_) {
      run_timed(step, inputs, outputs);
    } else {
      run_step(step, inputs, outputs);
    }
  }
}

std::vector<ProfileRow> Steps::profile() const {
  std::vector<ProfileRow> rows;
  if (!timed_) return rows;
  for (const Step& step : steps_) rows.push_back(step.profile);
  return rows;
}

}  // namespace lamina::graph
