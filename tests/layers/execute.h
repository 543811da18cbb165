#pragma once
#include <lamina/layer.h>

#include <vector>

#include "graph/builder.h"
#include "graph/program.h"
#include "layers/access.h"
#include "ops/reference/reference_backend.h"

namespace lamina::testing {

/// Lowers a call of a layer on these tensors and runs each operation by its definition: no passes,
/// no placement.
inline std::vector<Tensor> execute(Layer& layer, const std::vector<Tensor>& inputs,
                                   const layers::CallForm& form = {}) {
  graph::Program program;
  graph::Builder builder(program);
  std::vector<Tensor> values;
  for (const Tensor& input : inputs) {
    program.inputs.push_back(program.add_value({input.shape(), input.dtype()}));
    values.push_back(input);
  }
  program.outputs = layers::Access::lower(layer, builder, program.inputs, form);
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
    values.resize(std::max(values.size(), op.output + 1));
    values[op.output] = output;
  }
  std::vector<Tensor> outputs;
  for (const graph::ValueId id : program.outputs) outputs.push_back(values.at(id));
  return outputs;
}

}  // namespace lamina::testing
