#include "models/run/graph_watch.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "layers/adaptable.h"
#include "layers/graph_version.h"
#include "models/weights/access.h"

namespace lamina::models {
namespace {

std::uint64_t newest_within(const Model& model) {
  std::uint64_t newest = 0;
  std::unordered_set<const Layer*> seen{&model};
  std::vector<const Layer*> todo{&model};
  while (!todo.empty()) {
    const Layer* layer = todo.back();
    todo.pop_back();
    if (const auto* inner = dynamic_cast<const Model*>(layer)) {
      newest = std::max(newest, Access::graph_version(*inner));
    } else if (const auto* adapted = dynamic_cast<const layers::Adaptable*>(layer)) {
      newest = std::max(newest, adapted->graph_version());
    }
    for (const LayerPtr& sublayer : layer->sublayers()) {
      if (seen.insert(sublayer.get()).second) todo.push_back(sublayer.get());
    }
  }
  return newest;
}

}  // namespace

bool GraphWatch::changed(const Model& model) {
  const std::uint64_t now = layers::newest_graph_version();
  if (std::exchange(of_all_, now) == now) return false;
  const std::uint64_t version = newest_within(model);
  return std::exchange(of_model_, version) != version;
}

}  // namespace lamina::models
