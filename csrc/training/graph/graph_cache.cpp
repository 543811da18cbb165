#include "training/graph/graph_cache.h"

#include <algorithm>

#include "models/weights/access.h"
#include "runtime/devices.h"

namespace lamina::training {
namespace {

Device device_of(const std::vector<VariablePtr>& variables) {
  return variables.empty() ? Device::cpu() : variables.front()->device();
}

std::vector<Shape> shapes_of(const std::vector<Tensor>& x) {
  std::vector<Shape> shapes;
  for (const Tensor& tensor : x) shapes.push_back(tensor.shape());
  return shapes;
}

}  // namespace

bool GraphCache::suits(const Cached& cached, const std::vector<Tensor>& x) const {
  if (cached.shapes != shapes_of(x)) return false;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const DType dtype = models::Access::input_dtype(model_, i, x[i].dtype());
    if (dtype != cached.graph->input_dtypes()[i]) return false;
  }
  return true;
}

TrainGraph* GraphCache::find(const std::vector<Tensor>& x) const {
  const auto it = std::find_if(graphs_.begin(), graphs_.end(),
                               [&](const Cached& cached) { return suits(cached, x); });
  return it == graphs_.end() ? nullptr : it->graph.get();
}

std::shared_ptr<runtime::UploadStage> GraphCache::stage_on(Device device) {
  if (device == Device::cpu()) return stage_ = nullptr;
  auto context = runtime::devices().get(device);
  if (!stage_ || stage_->context() != context) {
    stage_ = std::make_shared<runtime::UploadStage>(std::move(context));
  }
  return stage_;
}

TrainGraph& GraphCache::get(const std::vector<Tensor>& x) {
  if (watch_.changed(model_)) graphs_.clear();
  const Device device = graphs_.empty() ? device_of(model_.trainable_variables())
                                        : device_of(graphs_.front().graph->variables());
  std::erase_if(graphs_, [&](const Cached& cached) { return cached.device != device; });
  const auto it = std::find_if(graphs_.begin(), graphs_.end(),
                               [&](const Cached& cached) { return suits(cached, x); });
  if (it != graphs_.end()) {
    graphs_.splice(graphs_.begin(), graphs_, it);
  } else {
    std::vector<DType> given;
    for (const Tensor& tensor : x) given.push_back(tensor.dtype());
    std::vector<Shape> shapes = shapes_of(x);
    TrainGraph::Options options{.mode = mode_, .given = std::move(given)};
    options.stage = stage_on(device);
    auto graph = std::make_unique<TrainGraph>(model_, shapes, device, options);
    if (graphs_.size() >= kGraphs) graphs_.pop_back();
    graphs_.push_front({std::move(shapes), device, std::move(graph)});
  }
  return *graphs_.front().graph;
}

}  // namespace lamina::training
