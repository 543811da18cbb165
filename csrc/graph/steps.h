#pragma once
#include <memory>
#include <vector>

#include "graph/memory_plan.h"
#include "graph/parameters.h"
#include "graph/profile.h"
#include "graph/program.h"
#include "ops/backend.h"

namespace lamina::graph {

/// A program's operations as kernels with memory, ready to run in order. Outputs must be separate
/// (see separate_outputs).
class Steps {
 public:
  /// `program` must outlive this: kernels read its parameters. `timed` measures each operation.
  Steps(const Program& program, std::shared_ptr<ops::Backend> backend, bool timed);

  /// Repacks the parameters whose variables changed (see Plan::refresh).
  void refresh(bool release) { parameters_.refresh(release); }
  /// Runs the operations [first, last) of the program. Every input and output that these touch must
  /// be there.
  void run(std::size_t first, std::size_t last, const std::vector<Tensor>& inputs,
           std::vector<Tensor>& outputs);
  /// Throws ValueError naming the first input from `first` on that does not fit.
  void check(const std::vector<Tensor>& inputs, std::size_t first = 0) const;
  /// New tensors for the outputs [first, last).
  void allocate(std::vector<Tensor>& outputs, std::size_t first, std::size_t last) const;

  [[nodiscard]] std::size_t arena_bytes() const { return arena_.nbytes(); }
  [[nodiscard]] std::size_t size() const { return steps_.size(); }
  [[nodiscard]] std::vector<ProfileRow> profile() const;

 private:
  /// A kernel with the places of what it reads and writes; the pointers are filled in at each run.
  struct Step {
    ops::KernelPtr kernel;
    std::size_t op = 0;  ///< which of the program
    std::vector<Slot> inputs;
    Slot output;
    std::size_t workspace = 0;
    std::vector<const void*> input_pointers;
    ProfileRow profile;
  };

  void add_step(std::size_t op, ops::KernelPtr kernel, const MemoryPlan& memory);
  void run_step(Step& step, const std::vector<Tensor>& inputs, std::vector<Tensor>& outputs);
  void run_timed(Step& step, const std::vector<Tensor>& inputs, std::vector<Tensor>& outputs);

  const Program& program_;
  std::shared_ptr<ops::Backend> backend_;
  bool timed_;
  Tensor arena_;
  std::vector<Step> steps_;
  Parameters parameters_;
};

}  // namespace lamina::graph
