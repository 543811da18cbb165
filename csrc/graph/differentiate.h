#pragma once
#include <optional>
#include <vector>

#include "graph/program.h"

namespace lamina::graph {

/// What to differentiate: a scalar that depends on the first `outputs` outputs of a program, with
/// respect to variables and to inputs.
struct Wanted {
  std::size_t outputs = 0;
  std::vector<VariablePtr> variables;
  std::vector<std::size_t> inputs;
};

/// A program with its gradient behind it, in one straight line: what the backward operations read
/// is kept exactly as long as they need it.
struct Derivative {
  /// Inputs: the program's own, then the gradient with respect to each of the wanted outputs.
  /// Outputs: the program's own, then those gradients that exist.
  Program program;
  std::size_t forward_ops;  ///< how many operations come before the first backward one
  /// By wanted variable, then by wanted input: which output of the program is its gradient, of the
  /// variable's (the input's) dtype and shape. Nothing: no output depends on it.
  std::vector<std::optional<std::size_t>> gradients;
};

/// Reverse-mode differentiation. Throws UnsupportedError for an operation that has no gradient.
[[nodiscard]] Derivative differentiate(Program program, const Wanted& wanted);

}  // namespace lamina::graph
