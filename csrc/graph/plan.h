#pragma once
#include <memory>
#include <vector>

#include "graph/profile.h"
#include "graph/program.h"
#include "graph/recorded_run.h"
#include "graph/steps.h"
#include "ops/backend.h"

namespace lamina::graph {

struct PlanOptions {
  /// Fold and fuse (see passes.h). Without it each operation runs as the layers wrote it.
  bool optimize = true;
  /// Time each operation of each run, for `profile()`.
  bool profile = false;
};

/// A program made ready for one backend: passes applied, kernels made, memory placed. Running it
/// allocates its outputs and nothing else. One call at a time.
class Plan {
 public:
  /// Folds inference batch normalisation into the operation before it, fuses activations and
  /// residual additions, places values by liveness. Throws ValueError for a program that breaks its
  /// own rules (see verify.h), and what the backend throws for an operation that it lacks.
  Plan(Program program, std::shared_ptr<ops::Backend> backend, const PlanOptions& options = {});
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  /// Repacks the parameters whose variables changed since the last call. With `release`, each
  /// variable is released once nothing else needs to pack it: at no time do more than the variables
  /// that are still to be packed, the packed ones and one operation's parameters exist.
  void refresh(bool release = false) { steps_.refresh(release); }
  /// Runs once. `inputs` have the program's shapes and dtypes (ValueError naming the input
  /// otherwise) and are read where they are; the outputs are new tensors. Calls refresh() by
  /// itself.
  [[nodiscard]] std::vector<Tensor> run(const std::vector<Tensor>& inputs);

  /// Outputs for `run_into`, on the backend's device, uninitialised.
  [[nodiscard]] std::vector<Tensor> allocate_outputs() const;
  /// The same into outputs that there are already: allocates nothing. Where the backend's kernels
  /// run on a stream it returns when all is given to that (see ops::Backend::settle), recorded if
  /// the last run had the same inputs and outputs (see recorded_run.h).
  void run_into(const std::vector<Tensor>& inputs, std::vector<Tensor>& outputs);

  /// Bytes for all values that live between operations, and the kernels' workspaces.
  [[nodiscard]] std::size_t arena_bytes() const { return steps_.arena_bytes(); }
  /// Kernels that a run executes; views are not counted.
  [[nodiscard]] std::size_t kernel_count() const { return steps_.size(); }
  /// The program as it runs, passes applied.
  [[nodiscard]] const Program& program() const { return program_; }
  /// Times so far, in execution order; nothing unless PlanOptions::profile.
  [[nodiscard]] std::vector<ProfileRow> profile() const { return steps_.profile(); }

 private:
  void check(const std::vector<Tensor>& inputs) const;

  Program program_;
  std::shared_ptr<ops::Backend> backend_;
  bool timed_;
  Steps steps_;           // of the program, which stays where it is
  RecordedRun recorded_;  // of the steps: goes first
};

}  // namespace lamina::graph
