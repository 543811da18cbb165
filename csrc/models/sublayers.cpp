#include "models/sublayers.h"

#include <unordered_set>

namespace lamina::models {
namespace {

class Flattener {
 public:
  void add(const LayerPtr& layer) {
    if (layer && seen_.insert(layer.get()).second) layers.push_back(layer);
  }
  void add(const Attribute& attribute) {
    if (const auto* layer = std::get_if<LayerPtr>(&attribute.value)) return add(*layer);
    const auto& list = std::get<std::shared_ptr<AttributeList>>(attribute.value);
    if (!list || !seen_.insert(list.get()).second) return;
    for (const Attribute& item : list->items) add(item);
  }

  std::vector<LayerPtr> layers;

 private:
  std::unordered_set<const void*> seen_;
};

}  // namespace

std::vector<LayerPtr> tracked_sublayers(const Layer& layer) {
  Flattener flattener;
  for (const Attribute& attribute : layer.attributes()) flattener.add(attribute);
  return std::move(flattener.layers);
}

std::vector<LayerPtr> sublayers(const Layer& layer) {
  Flattener flattener;
  if (const auto* model = dynamic_cast<const Model*>(&layer)) {
    for (const LayerPtr& sublayer : model->layers()) flattener.add(sublayer);
  }
  for (const Attribute& attribute : layer.attributes()) flattener.add(attribute);
  return std::move(flattener.layers);
}

}  // namespace lamina::models
