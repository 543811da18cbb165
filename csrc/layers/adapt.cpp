// What calls `adapt` of layers that have it.
#include <lamina/data_loader.h>
#include <lamina/layers/preprocessing.h>

#include <algorithm>
#include <cstddef>

#include "layers/adaptable.h"
#include "layers/naming.h"

namespace lamina::layers {
namespace {

[[noreturn]] void refuse(const Layer& layer, const std::string& what) {
  throw ValueError(in_words(layer) + ": " + what);
}

Adaptable& adaptable(const LayerPtr& layer) {
  if (!layer) throw ValueError("adapt() needs a layer. Received: null");
  auto* const found = dynamic_cast<Adaptable*>(layer.get());
  if (found == nullptr) {
    refuse(*layer, "'" + layer->class_name() + "' object has no attribute 'adapt'");
  }
  return *found;
}

/// What the layer is given.
Tensor on_host(const Layer& layer, const Tensor& batch) {
  if (!batch.defined()) refuse(layer, "adapt() received a tensor that is undefined.");
  return batch.to(Device::cpu());
}

std::int64_t batches_of(const Layer& layer, const DataLoader& loader, const AdaptOptions& options) {
  const std::int64_t there = loader.batches();
  if (options.steps && *options.steps < 1) {
    refuse(layer, "`steps` must be at least 1. Received: steps=" + std::to_string(*options.steps));
  }
  if (!options.steps && there == DataLoader::kEndless) {
    refuse(layer,
           "adapt() received batches without an end: you must specify the `steps` argument.");
  }
  return std::min(there, options.steps.value_or(there));
}

}  // namespace

void adapt(const LayerPtr& layer, const Tensor& data) {
  adapt(layer, std::vector<Tensor>{data});
}

void adapt(const LayerPtr& layer, const std::vector<Tensor>& batches) {
  Adaptable& found = adaptable(layer);
  std::size_t next = 0;
  found.adapt([&]() -> std::optional<Tensor> {
    if (next == batches.size()) return std::nullopt;
    return on_host(*layer, batches[next++]);
  });
}

void adapt(const LayerPtr& layer, const std::shared_ptr<DataLoader>& loader, AdaptOptions options) {
  Adaptable& found = adaptable(layer);
  if (!loader) refuse(*layer, "adapt() needs a loader. Received: null");
  const std::int64_t count = batches_of(*layer, *loader, options);
  std::int64_t next = 0;
  found.adapt([&]() -> std::optional<Tensor> {
    if (next == count) return std::nullopt;
    const DataSet batch = loader->batch(0, next++, 0);
    if (batch.x.size() != 1) {
      refuse(*layer, "adapt() expects batches of one input. Received: " +
                         std::to_string(batch.x.size()) + " of them");
    }
    return on_host(*layer, batch.x[0]);
  });
}

}  // namespace lamina::layers
