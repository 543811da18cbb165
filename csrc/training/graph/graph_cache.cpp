#include "training/graph/graph_cache.h"

#include <algorithm>

#include "models/weights/access.h"

namespace lamina::training {
namespace {

Device device_of(const std::vector<VariablePtr>& variables) {
  return variables.empty() ? Device::cpu() : variables.front()->device();
}

}  // namespace

bool GraphCache::suits(const TrainGraph& graph, const std::vector<Tensor>& x) const {
  for (std::size_t i = 0; i < x.size(); ++i) {
    const DType dtype = models::Access::input_dtype(model_, i, x[i].dtype());
    if (dtype != graph.input_dtypes()[i]) return false;
  }
  return true;
}

TrainGraph& GraphCache::get(const std::vector<Tensor>& x) {
  if (watch_.changed(model_)) graphs_.clear();
  std::vector<Shape> shapes;
  for (const Tensor& tensor : x) shapes.push_back(tensor.shape());
  const Device device = graphs_.empty() ? device_of(model_.trainable_variables())
                                        : device_of(graphs_.front().graph->variables());
  std::erase_if(graphs_, [&](const Cached& cached) { return cached.device != device; });
  const auto it = std::find_if(graphs_.begin(), graphs_.end(), [&](const Cached& cached) {
    return cached.shapes == shapes && suits(*cached.graph, x);
  });
  if (it != graphs_.end()) {
    graphs_.splice(graphs_.begin(), graphs_, it);
  } else {
    std::vector<DType> given;
    for (const Tensor& tensor : x) given.push_back(tensor.dtype());
    auto graph = std::make_unique<TrainGraph>(
        model_, shapes, device, TrainGraph::Options{.mode = mode_, .given = std::move(given)});
    if (graphs_.size() >= kGraphs) graphs_.pop_back();
    graphs_.push_front({std::move(shapes), device, std::move(graph)});
  }
  return *graphs_.front().graph;
}

}  // namespace lamina::training
