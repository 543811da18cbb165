#include <lamina/model.h>

#include "checkpoint/catalog.h"
#include "checkpoint/checkpoint.h"
#include "models/keras_paths.h"
#include "models/training_parts.h"

// The one place where models meet checkpoints.
namespace lamina {
namespace {

void require_built(const Model& model, const char* doing) {
  if (model.built()) return;
  throw ValueError(
      std::string("You are ") + doing +
      " a model that has not yet been built. Try building the model first by calling it on "
      "some data or by using `build()`.");
}

std::unordered_set<weights::NodeId> nodes_of(const models::NamedWeights& named,
                                             const std::vector<LayerPtr>& layers) {
  std::unordered_set<weights::NodeId> ids;
  for (const LayerPtr& layer : layers) {
    if (const auto it = named.nodes.find(layer.get()); it != named.nodes.end())
      ids.insert(it->second);
  }
  return ids;
}

/// Keras leaves an optimizer out that has not been built when a file is loaded. Here it is built as
/// soon as the file holds state for it.
void build_optimizer(const Model& model, const std::filesystem::path& path) {
  if (!model.training_parts()) return;
  Optimizer& optimizer = *model.training_parts()->optimizer;
  if (optimizer.built()) return;
  const checkpoint::Catalog catalog(path, storage::posix());
  if (catalog.find("/optimizer/vars").count > optimizer.variables().size()) {
    optimizer.build(model.trainable_variables());
  }
}

}  // namespace

void Model::save_weights(const std::filesystem::path& path, const SaveOptions& options) const {
  require_built(*this, "saving");
  const models::NamedWeights named = models::name_weights(*this, models::TrainingState::kIncluded);
  checkpoint::save(named.tree, path,
                   {.overwrite = options.overwrite,
                    .max_shard_size = options.max_shard_size,
                    .keep_entries_together = options.keep_entries_together,
                    .skip = nodes_of(named, options.objects_to_skip),
                    .progress = options.progress});
}

void Model::load_weights(const std::filesystem::path& path, const LoadOptions& options) {
  require_built(*this, "loading weights into");
  build_optimizer(*this, path);
  const models::NamedWeights named = models::name_weights(*this);
  checkpoint::load(named.tree, path,
                   {.skip_mismatch = options.skip_mismatch,
                    .skip = nodes_of(named, options.objects_to_skip),
                    .progress = options.progress});
}

}  // namespace lamina
