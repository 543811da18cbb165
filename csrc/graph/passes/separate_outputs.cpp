#include <unordered_set>

#include "graph/passes/passes.h"

namespace lamina::graph {

Program separate_outputs(Program program) {
  std::unordered_set<ValueId> taken(program.inputs.begin(), program.inputs.end());
  for (ValueId& output : program.outputs) {
    if (taken.insert(output).second) continue;
    const ops::TensorSpec spec = program.values[output];
    const ValueId copy = program.add_value(spec);
    program.ops.push_back({ops::Reshape{spec, spec}, {output}, {}, copy, "output"});
    output = copy;
  }
  return program;
}

}  // namespace lamina::graph
