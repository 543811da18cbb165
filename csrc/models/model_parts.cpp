#include "models/keras/model_parts.h"

#include <algorithm>

#include "models/graph_order.h"
#include "models/weights/access.h"

namespace lamina::models {

ModelParts parts_of(const Model& model) {
  ModelParts parts;
  parts.input_layer = Access::input_layer(model);
  const Graph* graph = Access::graph(model);
  if (graph == nullptr) return parts;
  parts.operations = graph->operations;
  parts.calls = graph->nodes();
  std::sort(parts.calls.begin(), parts.calls.end(),
            [](const NodePtr& a, const NodePtr& b) { return a->serial < b->serial; });
  return parts;
}

}  // namespace lamina::models
