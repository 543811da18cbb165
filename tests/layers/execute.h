#pragma once
#include <lamina/layer.h>

#include <vector>

#include "graph/builder.h"
#include "graph/program.h"
#include "layers/access.h"
#include "ops/reference/reference_backend.h"

namespace lamina::testing {

/// Runs each operation of a program by its definition: no passes, no placement.
inline std::vector<Tensor> execute(const graph::Program& program,
                                   const std::vector<Tensor>& inputs) {
  std::vector<Tensor> values(program.values.size());
  for (std::size_t i = 0; i < inputs.size(); ++i) values.at(program.inputs.at(i)) = inputs[i];
  ops::ReferenceBackend backend;
  for (const graph::Op& op : program.ops) {
    const ops::TensorSpec& spec = program.values[op.output];
    Tensor output = Tensor::empty(spec.shape, spec.dtype);
    for (std::byte& byte : output.bytes()) byte = std::byte{0xff};  // poison: NaN for floats
    std::vector<const void*> in;
    for (const graph::ValueId id : op.inputs) in.push_back(values.at(id).raw());
    std::vector<void*> out{output.raw()};
    std::vector<Tensor> params;
    for (const graph::Param& param : op.params) params.push_back(param.value());
    const ops::KernelPtr kernel = backend.make(op.spec);
    std::vector<std::byte> workspace(kernel->workspace_bytes());
    kernel->load_parameters(params);
    kernel->run({in, out, workspace.data()});
    values[op.output] = output;
  }
  std::vector<Tensor> outputs;
  for (const graph::ValueId id : program.outputs) outputs.push_back(values.at(id));
  return outputs;
}

/// A program whose inputs are like these tensors; what it does is up to the caller.
inline graph::Program program_of(const std::vector<Tensor>& inputs) {
  graph::Program program;
  for (const Tensor& input : inputs) {
    program.inputs.push_back(program.add_value({input.shape(), input.dtype()}));
  }
  return program;
}

/// Lowers a call of a layer on these tensors and runs that.
inline std::vector<Tensor> execute(Layer& layer, const std::vector<Tensor>& inputs,
                                   const layers::CallForm& form = {}) {
  graph::Program program = program_of(inputs);
  graph::Builder builder(program);
  program.outputs = layers::Access::lower(layer, builder, program.inputs, form);
  return execute(program, inputs);
}

}  // namespace lamina::testing
