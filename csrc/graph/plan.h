#pragma once
#include <memory>
#include <vector>

#include "graph/profile.h"
#include "graph/program.h"
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
  static std::unique_ptr<Plan> compile(Program program, std::shared_ptr<ops::Backend> backend,
                                       const PlanOptions& options = {});
  virtual ~Plan() = default;

  /// Repacks the parameters whose variables changed since the last call. With `release`, each
  /// variable is released once nothing else needs to pack it: at no time do more than the variables
  /// that are still to be packed, the packed ones and one operation's parameters exist.
  virtual void refresh(bool release = false) = 0;
  /// Runs once. `inputs` have the program's shapes and dtypes (ValueError naming the input
  /// otherwise) and are read where they are; the outputs are new tensors. Calls refresh() by
  /// itself.
  [[nodiscard]] virtual std::vector<Tensor> run(const std::vector<Tensor>& inputs) = 0;

  /// Outputs for `run_into`, on the backend's device, uninitialised.
  [[nodiscard]] virtual std::vector<Tensor> allocate_outputs() const = 0;
  /// The same into outputs that there are already: allocates nothing. Where the backend's kernels
  /// run on a stream it returns when all is given to that (see ops::Backend::settle), recorded if
  /// the last run had the same inputs and outputs (see recorded_run.h).
  virtual void run_into(const std::vector<Tensor>& inputs, std::vector<Tensor>& outputs) = 0;

  /// Bytes for all values that live between operations, and the kernels' workspaces.
  [[nodiscard]] virtual std::size_t arena_bytes() const = 0;
  /// Kernels that a run executes; views are not counted.
  [[nodiscard]] virtual std::size_t kernel_count() const = 0;
  /// The program as it runs, passes applied.
  [[nodiscard]] virtual const Program& program() const = 0;
  /// Times so far, in execution order; nothing unless PlanOptions::profile.
  [[nodiscard]] virtual std::vector<ProfileRow> profile() const = 0;
};

}  // namespace lamina::graph
