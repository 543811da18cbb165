#include "models/run/lowering.h"

#include <algorithm>

#include "layers/access.h"
#include "layers/trace.h"

namespace lamina::models {

graph::Program lower_model(Model& model, const std::vector<ops::TensorSpec>& inputs,
                           graph::Builder::Mode mode) {
  graph::Program program;
  for (const ops::TensorSpec& input : inputs) program.inputs.push_back(program.add_value(input));
  graph::Builder builder(program, mode);
  const std::vector<graph::ValueId> values = program.inputs;
  program.outputs = layers::Access::lower(model, builder, values);
  program.outputs.insert(program.outputs.end(), program.activity_penalties.begin(),
                         program.activity_penalties.end());
  for (const graph::MovingAverage& average : program.moving_averages) {
    if (std::find(program.outputs.begin(), program.outputs.end(), average.statistics) ==
        program.outputs.end()) {
      program.outputs.push_back(average.statistics);
    }
  }
  return program;
}

std::vector<graph::ValueId> lower_between(graph::Builder& builder, const SymbolicTensors& inputs,
                                          const SymbolicTensors& outputs,
                                          const std::vector<graph::ValueId>& values) {
  std::vector<graph::ValueId> cast;
  for (std::size_t i = 0; i < values.size(); ++i) {
    cast.push_back(builder.cast(values[i], inputs.at(i).dtype()));
  }
  return layers::lower_graph(builder, inputs, outputs, cast);
}

}  // namespace lamina::models
