#include "graph/verify.h"

#include <lamina/error.h>

#include "ops/op_info.h"
#include "ops/params.h"

namespace lamina::graph {
namespace {

[[noreturn]] void refuse(const Op& op, const std::string& what) {
  throw ValueError("The operation " + std::string(ops::op_name(op.spec)) + " of the layer '" +
                   op.layer + "' " + what);
}

void verify_inputs(const Program& program, const Op& op, const std::vector<bool>& written) {
  const auto specs = ops::input_specs(op.spec);
  if (specs.size() != op.inputs.size()) {
    refuse(op, "takes " + std::to_string(specs.size()) + " inputs; received " +
                   std::to_string(op.inputs.size()) + ".");
  }
  for (std::size_t i = 0; i < specs.size(); ++i) {
    const ValueId id = op.inputs[i];
    if (id >= program.values.size() || !written[id])
      refuse(op, "reads a value before it is written.");
    if (specs[i] != program.values[id]) {
      refuse(op, "expects its input " + std::to_string(i) + " as " + ops::describe(specs[i]) +
                     "; it is " + ops::describe(program.values[id]) + ".");
    }
  }
}

void verify_output(const Program& program, const Op& op, const std::vector<bool>& written) {
  if (op.output >= program.values.size()) refuse(op, "writes a value that does not exist.");
  if (written[op.output]) refuse(op, "writes a value that was written before.");
  if (ops::output_spec(op.spec) != program.values[op.output]) {
    refuse(op, "writes " + ops::describe(ops::output_spec(op.spec)) + " into a value of " +
                   ops::describe(program.values[op.output]) + ".");
  }
}

}  // namespace

void verify(const Program& program) {
  std::vector<bool> written(program.values.size(), false);
  for (ValueId id : program.inputs) {
    if (id >= program.values.size()) throw ValueError("An input of the program does not exist.");
    written[id] = true;
  }
  for (const Op& op : program.ops) {
    verify_inputs(program, op, written);
    verify_output(program, op, written);
    if (op.params.size() != ops::param_shapes(op.spec).size()) {
      refuse(op, "takes " + std::to_string(ops::param_shapes(op.spec).size()) +
                     " parameters; received " + std::to_string(op.params.size()) + ".");
    }
    written[op.output] = true;
  }
  for (ValueId id : program.outputs) {
    if (id >= program.values.size() || !written[id]) {
      throw ValueError("An output of the program is never written.");
    }
  }
}

}  // namespace lamina::graph
