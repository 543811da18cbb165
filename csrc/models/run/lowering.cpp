#include "models/run/lowering.h"

#include <algorithm>

#include "layers/access.h"

namespace lamina::models {
namespace {

/// Which output a value is, from now on.
std::size_t output_of(graph::Program& program, graph::ValueId value) {
  const auto found = std::find(program.outputs.begin(), program.outputs.end(), value);
  const auto at = static_cast<std::size_t>(found - program.outputs.begin());
  if (found == program.outputs.end()) program.outputs.push_back(value);
  return at;
}

}  // namespace

graph::Program lower_model(Model& model, const std::vector<ops::TensorSpec>& inputs,
                           graph::Builder::Mode mode) {
  graph::Program program;
  for (const ops::TensorSpec& input : inputs) program.inputs.push_back(program.add_value(input));
  graph::Builder builder(program, mode);
  const std::vector<graph::ValueId> values = program.inputs;
  program.outputs = layers::Access::lower(model, builder, values);
  const std::size_t own = program.outputs.size();
  program.outputs.insert(program.outputs.end(), program.activity_penalties.begin(),
                         program.activity_penalties.end());
  if (mode != graph::Builder::Mode::kInference) {
    for (std::size_t i = 0; i < own; ++i) {
      const std::optional<graph::ValueId> mask = builder.mask(program.outputs[i]);
      program.output_masks.push_back(mask ? std::optional(output_of(program, *mask))
                                          : std::nullopt);
    }
  }
  for (const graph::MovingAverage& average : program.moving_averages) {
    (void)output_of(program, average.statistics);
  }
  for (const graph::StateUpdate& update : program.state_updates) {
    (void)output_of(program, update.value);
  }
  return program;
}

std::vector<graph::ValueId> lower_between(graph::Builder& builder, const SymbolicTensors& inputs,
                                          const SymbolicTensors& outputs,
                                          const std::vector<graph::ValueId>& values,
                                          const layers::Calls& first) {
  std::vector<graph::ValueId> cast;
  for (std::size_t i = 0; i < values.size(); ++i) {
    cast.push_back(builder.cast(values[i], inputs.at(i).dtype()));
    builder.set_mask(cast.back(), builder.mask(values[i]));
  }
  return layers::lower_graph(builder, inputs, outputs, cast, layers::MasksOfCalls::kKept, first);
}

}  // namespace lamina::models
