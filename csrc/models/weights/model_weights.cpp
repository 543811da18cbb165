#include "models/weights/model_weights.h"

#include <unordered_map>

#include "checkpoint/background/save_queue.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/load/catalog.h"
#include "checkpoint/names/paths.h"
#include "models/weights/access.h"
#include "models/weights/keras_paths.h"
#include "models/weights/legacy_layers.h"
#include "models/weights/pending_saves.h"
#include "models/weights/training_parts.h"

// Weights as a tree that checkpoints know, and back.
namespace lamina {
namespace models {
namespace {

void require_built(const Model& model, const char* doing) {
  if (model.built()) return;
  throw ValueError(
      std::string("You are ") + doing +
      " a model that has not yet been built. Try building the model first by calling it on "
      "some data or by using `build()`.");
}

std::unordered_set<weights::NodeId> nodes_of(const NamedWeights& named,
                                             const std::vector<LayerPtr>& layers) {
  std::unordered_set<weights::NodeId> ids;
  for (const LayerPtr& layer : layers) {
    if (const auto id = named.nodes.find(layer.get())) ids.insert(*id);
  }
  return ids;
}

/// Whether files hold the state of a running `fit`.
bool in_fit(const Model& model) {
  return Access::training_parts(model) && !Access::training_parts(model)->state.empty();
}

/// The names without the state of a running `fit`: of those that are kept where there is none.
std::shared_ptr<const NamedWeights> known_to_keras(const Model& model, KeptNames& names) {
  return in_fit(model) ? std::make_shared<const NamedWeights>(name_weights(model))
                       : names.get(model);
}

/// Keras leaves an optimizer out that has not been built when a file is loaded. Here those of the
/// model and of models within it are built as soon as the file holds state for them.
void build_optimizers(const NamedWeights& named, const checkpoint::Catalog& file) {
  std::unordered_map<weights::NodeId, const Model*> unbuilt;
  for (const Model* model : named.compiled) {
    const OptimizerPtr& optimizer = Access::training_parts(*model)->optimizer;
    const auto node = named.nodes.find(optimizer.get());
    if (node && !optimizer->built() && model->built()) unbuilt.emplace(*node, model);
  }
  if (unbuilt.empty()) return;
  for (const weights::WeightEntry& entry : weights::save_order(named.tree)) {
    const auto found = unbuilt.find(entry.node);
    if (found == unbuilt.end()) continue;
    Optimizer& optimizer = *Access::training_parts(*found->second)->optimizer;
    if (file.find(entry.path).count > optimizer.variables().size()) {
      optimizer.build(found->second->trainable_variables());
    }
  }
}

/// Throws ValueError, in Keras's words, for options that the kind of file does not have.
void check_options(const std::filesystem::path& path, const LoadOptions& options, bool legacy) {
  if (legacy && !options.objects_to_skip.empty()) {
    throw ValueError("`objects_to_skip` only supports loading '.weights.h5' files.Received: " +
                     path.string());
  }
  if (!legacy && options.by_name) {
    throw ValueError("`by_name` only supports loading legacy '.h5' or '.hdf5' files. Received: " +
                     path.string());
  }
}

}  // namespace

std::optional<checkpoint::SaveJob> begin_model_save(const Model& model, KeptNames& names,
                                                    const std::filesystem::path& path,
                                                    const AsyncSaveOptions& options,
                                                    storage::Storage& storage,
                                                    std::vector<storage::ZipText> archived) {
  require_built(model, "saving");
  const std::shared_ptr<const NamedWeights> named = names.get(model);
  checkpoint::SaveRequest request{.overwrite = options.save.overwrite,
                                  .max_shard_size = options.save.max_shard_size,
                                  .keep_entries_together = options.save.keep_entries_together,
                                  .skip = nodes_of(*named, options.save.objects_to_skip),
                                  .progress = options.save.progress,
                                  .seal = options.save.seal,
                                  .align = options.save.align,
                                  .archived = std::move(archived)};
  std::optional<checkpoint::SaveJob> job = checkpoint::begin_save(
      checkpoint::TreePtr(named, &named->tree), path, std::move(request), storage);
  if (job) job->snapshot = options.snapshot;
  return job;
}

std::vector<std::shared_ptr<checkpoint::SaveState>> earlier_saves(const Model& model,
                                                                  PendingSaves& saves) {
  if (!in_fit(model)) return {};
  return saves.under_way();
}

void wait_for_earlier_saves(const Model& model, PendingSaves& saves) {
  checkpoint::save_queue().wait_for(earlier_saves(model, saves));
  saves.throw_failure();
}

void load_model_weights(Model& model, KeptNames& names, const std::filesystem::path& path,
                        const LoadOptions& options, storage::Storage& storage,
                        SpareOptimizers spare) {
  const bool legacy = checkpoint::load_kind(path) == checkpoint::LoadKind::kLegacy;
  check_options(path, options, legacy);
  require_built(model, "loading weights into");
  if (legacy) {
    return checkpoint::load_legacy(legacy_layers(model), path,
                                   {.by_name = options.by_name,
                                    .skip_mismatch = options.skip_mismatch,
                                    .read = {.progress = options.progress}},
                                   storage);
  }
  const checkpoint::Catalog file(path, storage, options.verify);
  build_optimizers(*known_to_keras(model, names), file);
  const std::shared_ptr<const NamedWeights> named = known_to_keras(model, names);
  checkpoint::LoadRequest request{.skip_mismatch = options.skip_mismatch,
                                  .skip = nodes_of(*named, options.objects_to_skip),
                                  .progress = options.progress,
                                  .verify = options.verify};
  if (spare == SpareOptimizers::kPassedOver) request.left_out = is_of_optimizer;
  checkpoint::load(named->tree, file, request);
}

}  // namespace models

namespace {

std::string key_of(const std::filesystem::path& path, const SaveOptions& options) {
  return checkpoint::save_key(path, options.max_shard_size.has_value());
}

}  // namespace

void models::save_and_wait(const Model& model, const std::filesystem::path& path,
                           const SaveOptions& options, std::vector<storage::ZipText> archived) {
  PendingSaves& saves = Access::saves(model);
  wait_for_earlier_saves(model, saves);
  checkpoint::save_queue().wait_for(key_of(path, options));
  std::optional<checkpoint::SaveJob> job =
      begin_model_save(model, saves.names, path, {options, SnapshotPolicy::kNone}, storage::posix(),
                       std::move(archived));
  if (!job) return;
  checkpoint::SaveState state(path);
  checkpoint::run_save(*job, storage::posix(), state);
}

void Model::save_weights(const std::filesystem::path& path, const SaveOptions& options) const {
  models::save_and_wait(*this, path, options);
}

SaveHandle Model::save_weights_async(const std::filesystem::path& path,
                                     const AsyncSaveOptions& options) const {
  saves_->throw_failure();
  const std::string key = key_of(path, options.save);
  // Whether there is something to be asked about shows when the earlier saves are over.
  if (!options.save.overwrite) checkpoint::save_queue().wait_for(key);
  std::optional<checkpoint::SaveJob> begun =
      models::begin_model_save(*this, saves_->names, path, options, storage::posix());
  if (!begun) return {};
  const auto job = std::make_shared<checkpoint::SaveJob>(std::move(*begun));
  job->target.file = checkpoint::from_root(job->target.file);
  const auto state = std::make_shared<checkpoint::SaveState>(path);
  checkpoint::save_queue().submit(
      key, state, [job](checkpoint::SaveState& s) { run_save(*job, storage::posix(), s); },
      models::earlier_saves(*this, *saves_));
  saves_->add(state);
  return checkpoint::SaveState::handle(state);
}

void Model::wait_until_copied() const {
  saves_->wait_until_copied();
}

void Model::prepare_saving() const {
  if (!built()) return;
  try {
    (void)saves_->names.get(*this);
  } catch (const ValueError&) {
    // Models that cannot be saved can be used all the same.
  }
}

void Model::load_weights(const std::filesystem::path& path, const LoadOptions& options) {
  models::load_model_weights(*this, saves_->names, path, options, storage::posix());
}

}  // namespace lamina
