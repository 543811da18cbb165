#include "layers/access.h"

#include "graph/builder.h"
#include "layers/activity_penalty.h"

namespace lamina::layers {

SymbolicTensor Access::output(std::shared_ptr<Node> node, std::size_t index) {
  Shape shape = node->output_shapes.at(index);
  const DType dtype = node->output_dtypes.at(index);
  return {std::move(node), index, std::move(shape), dtype};
}

std::vector<graph::ValueId> Access::lower(Layer& layer, graph::Builder& builder,
                                          const std::vector<graph::ValueId>& inputs) {
  const std::string outer = builder.set_layer(layer.name());
  std::vector<graph::ValueId> cast = inputs;
  if (layer.autocast()) {
    for (graph::ValueId& id : cast) {
      if (is_floating(builder.dtype(id))) id = builder.cast(id, layer.policy_.compute);
    }
  }
  std::vector<graph::ValueId> outputs = layer.on_lower(builder, cast);
  if (layer.activity_regularizer_ && builder.penalizes()) {
    for (const graph::ValueId output : outputs) {
      penalize(builder, output, layer.activity_regularizer_);
    }
  }
  builder.set_layer(outer);
  return outputs;
}

}  // namespace lamina::layers
