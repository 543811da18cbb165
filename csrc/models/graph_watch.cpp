#include "models/run/graph_watch.h"

#include <algorithm>
#include <atomic>
#include <unordered_set>
#include <utility>

#include "models/weights/access.h"

namespace lamina::models {
namespace {

std::atomic<std::uint64_t> newest_version{1};  // models begin with it

std::uint64_t newest_within(const Model& model) {
  std::uint64_t newest = 0;
  std::unordered_set<const Layer*> seen{&model};
  std::vector<const Layer*> todo{&model};
  while (!todo.empty()) {
    const Layer* layer = todo.back();
    todo.pop_back();
    if (const auto* inner = dynamic_cast<const Model*>(layer)) {
      newest = std::max(newest, Access::graph_version(*inner));
    }
    for (const LayerPtr& sublayer : layer->sublayers()) {
      if (seen.insert(sublayer.get()).second) todo.push_back(sublayer.get());
    }
  }
  return newest;
}

}  // namespace

std::uint64_t next_graph_version() noexcept {
  return ++newest_version;
}

bool GraphWatch::changed(const Model& model) {
  const std::uint64_t now = newest_version;
  if (std::exchange(of_all_, now) == now) return false;
  const std::uint64_t version = newest_within(model);
  return std::exchange(of_model_, version) != version;
}

}  // namespace lamina::models
