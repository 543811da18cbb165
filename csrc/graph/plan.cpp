#include "graph/plan.h"

#include <lamina/error.h>

#include "graph/passes/passes.h"
#include "graph/recorded_run.h"
#include "graph/steps.h"
#include "graph/verify.h"

namespace lamina::graph {
namespace {

class CompiledPlan final : public Plan {
 public:
  CompiledPlan(Program program, std::shared_ptr<ops::Backend> backend, const PlanOptions& options)
      : program_(std::move(program)),
        backend_(std::move(backend)),
        timed_(options.profile),
        steps_(program_, backend_, timed_) {}

  void refresh(bool release) override { steps_.refresh(release); }
  std::vector<Tensor> run(const std::vector<Tensor>& inputs) override {
    check(inputs);
    std::vector<Tensor> outputs = allocate_outputs();
    refresh(false);
    steps_.run(0, program_.ops.size(), inputs, outputs);
    return outputs;
  }
  std::vector<Tensor> allocate_outputs() const override {
    std::vector<Tensor> outputs;
    steps_.allocate(outputs, 0, program_.outputs.size());
    return outputs;
  }
  void run_into(const std::vector<Tensor>& inputs, std::vector<Tensor>& outputs) override {
    check(inputs);
    refresh(false);
    const auto steps = [&] { steps_.run(0, program_.ops.size(), inputs, outputs); };
    if (timed_) return steps();
    recorded_.run(*backend_, places(inputs, outputs), steps);
  }

  std::size_t arena_bytes() const override { return steps_.arena_bytes(); }
  std::size_t kernel_count() const override { return steps_.size(); }
  const Program& program() const override { return program_; }
  std::vector<ProfileRow> profile() const override { return steps_.profile(); }

 private:
  void check(const std::vector<Tensor>& inputs) const;
  static RecordedRun::Places places(const std::vector<Tensor>& inputs,
                                    const std::vector<Tensor>& outputs) {
    RecordedRun::Places out;
    for (const Tensor& tensor : inputs) out.push_back(tensor.raw());
    for (const Tensor& tensor : outputs) out.push_back(tensor.raw());
    return out;
  }

  Program program_;
  std::shared_ptr<ops::Backend> backend_;
  bool timed_;
  Steps steps_;
  RecordedRun recorded_;  // of the steps: goes first
};

void CompiledPlan::check(const std::vector<Tensor>& inputs) const {
  if (inputs.size() != program_.inputs.size()) {
    throw ValueError("The program takes " + std::to_string(program_.inputs.size()) +
                     " inputs; received " + std::to_string(inputs.size()) + ".");
  }
  steps_.check(inputs);
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
