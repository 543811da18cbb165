#include "graph/plan.h"

#include <lamina/error.h>

#include "graph/passes/passes.h"
#include "graph/verify.h"

namespace lamina::graph {
namespace {

Program prepared(Program program, bool optimized) {
  verify(program);
  program = optimized ? optimize(std::move(program)) : separate_outputs(std::move(program));
  verify(program);
  return program;
}

RecordedRun::Places places(const std::vector<Tensor>& inputs, const std::vector<Tensor>& outputs) {
  RecordedRun::Places out;
  for (const Tensor& tensor : inputs) out.push_back(tensor.raw());
  for (const Tensor& tensor : outputs) out.push_back(tensor.raw());
  return out;
}

}  // namespace

Plan::Plan(Program program, std::shared_ptr<ops::Backend> backend, const PlanOptions& options)
    : program_(prepared(std::move(program), options.optimize)),
      backend_(std::move(backend)),
      timed_(options.profile),
      steps_(program_, backend_, timed_) {}

std::vector<Tensor> Plan::run(const std::vector<Tensor>& inputs) {
  check(inputs);
  std::vector<Tensor> outputs = allocate_outputs();
  refresh();
  steps_.run(0, program_.ops.size(), inputs, outputs);
  return outputs;
}

std::vector<Tensor> Plan::allocate_outputs() const {
  std::vector<Tensor> outputs;
  steps_.allocate(outputs, 0, program_.outputs.size());
  return outputs;
}

void Plan::run_into(const std::vector<Tensor>& inputs, std::vector<Tensor>& outputs) {
  check(inputs);
  refresh();
  const auto steps = [&] { steps_.run(0, program_.ops.size(), inputs, outputs); };
  if (timed_) return steps();
  recorded_.run(*backend_, places(inputs, outputs), steps);
}

void Plan::check(const std::vector<Tensor>& inputs) const {
  if (inputs.size() != program_.inputs.size()) {
    throw ValueError("The program takes " + std::to_string(program_.inputs.size()) +
                     " inputs; received " + std::to_string(inputs.size()) + ".");
  }
  steps_.check(inputs);
}

}  // namespace lamina::graph
