#include <algorithm>
#include <iterator>

#include "graph/passes/passes.h"

namespace lamina::graph {

Program drop_dead(Program program) {
  std::vector<bool> needed(program.values.size(), false);
  for (ValueId id : program.outputs) needed[id] = true;
  std::vector<Op> kept;
  for (auto op = program.ops.rbegin(); op != program.ops.rend(); ++op) {
    if (!needed[op->output]) continue;
    for (ValueId id : op->inputs) needed[id] = true;
    kept.push_back(std::move(*op));
  }
  std::reverse(kept.begin(), kept.end());
  program.ops = std::move(kept);
  return program;
}

}  // namespace lamina::graph
