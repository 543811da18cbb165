#include "graph/passes/passes.h"

namespace lamina::graph {

Program optimize(Program program) {
  program = drop_identities(std::move(program));
  program = drop_dead(std::move(program));
  program = sink_reshapes(std::move(program));
  program = drop_identities(std::move(program));  // transposes that have met, and their reverses
  program = fold_padding(std::move(program));
  program = fold_batch_norm(std::move(program));
  program = fuse_activations(std::move(program));
  program = fuse_residuals(std::move(program));
  program = drop_dead(std::move(program));
  return separate_outputs(std::move(program));
}

Program optimize_for_training(Program program) {
  program = drop_identities(std::move(program));
  program = drop_dead(std::move(program));
  program = sink_reshapes(std::move(program));
  program = drop_identities(std::move(program));  // transposes that have met, and their reverses
  program = fold_padding(std::move(program));
  program = fuse_differentiable_activations(std::move(program));
  program = drop_dead(std::move(program));
  return separate_outputs(std::move(program));
}

}  // namespace lamina::graph
