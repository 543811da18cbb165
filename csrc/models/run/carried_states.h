#pragma once
#include <lamina/variable.h>

#include <cstddef>
#include <vector>

#include "graph/program.h"

namespace lamina::models {

/// The states that the runs of a program carry on (graph::StateUpdate), each with the output that
/// holds what it is next.
class CarriedStates {
 public:
  /// Of a program as it was lowered.
  explicit CarriedStates(const graph::Program& program);

  [[nodiscard]] bool empty() const noexcept { return states_.empty(); }
  /// What they are next, among all outputs of a run, which they share.
  [[nodiscard]] std::vector<Tensor> among(const std::vector<Tensor>& outputs) const;
  /// Has them be such values. Throws DeviceError where they are elsewhere.
  void assign(std::vector<Tensor> values) const;

 private:
  struct State {
    VariablePtr variable;
    std::size_t output;
  };
  std::vector<State> states_;
};

}  // namespace lamina::models
