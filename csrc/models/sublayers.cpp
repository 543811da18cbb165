#include "models/sublayers.h"

#include "layers/distinct.h"

namespace lamina::models {

std::vector<LayerPtr> tracked_sublayers(const Layer& layer) {
  return layer.Layer::sublayers();  // not the model's, which has those of its graph before them
}

std::vector<LayerPtr> sublayers(const Layer& layer) {
  layers::Distinct<Layer> all;
  if (const auto* model = dynamic_cast<const Model*>(&layer)) all.add(model->layers());
  all.add(tracked_sublayers(layer));
  return std::move(all).take();
}

}  // namespace lamina::models
