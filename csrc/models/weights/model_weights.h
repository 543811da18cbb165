#pragma once
#include <lamina/model.h>

#include <memory>
#include <optional>
#include <vector>

#include "checkpoint/save/save_job.h"
#include "models/weights/kept_names.h"
#include "storage/storage.h"

namespace lamina::models {

class PendingSaves;

/// The part of a save that the caller waits for: names, checks, and takes hold of the values.
/// `archived`: as of a SaveRequest.
[[nodiscard]] std::optional<checkpoint::SaveJob> begin_model_save(
    const Model& model, KeptNames& names, const std::filesystem::path& path,
    const AsyncSaveOptions& options, storage::Storage& storage,
    std::vector<storage::ZipText> archived = {});

/// Saves, and returns when all is on stable storage. Throws what `begin_model_save` throws, what
/// made an earlier save of the model fail, and StorageError.
void save_and_wait(const Model& model, const std::filesystem::path& path,
                   const SaveOptions& options, std::vector<storage::ZipText> archived = {});

/// What a save in the background that begins now is to follow, and to fail with: while `fit` runs,
/// the model's earlier ones, for what files hold of the run then speaks of theirs.
[[nodiscard]] std::vector<std::shared_ptr<checkpoint::SaveState>> earlier_saves(
    const Model& model, PendingSaves& saves);
/// For a save that is waited for: returns when they are over. Throws the first failure of a save of
/// the model, in `fit` or not, that nobody has heard of.
void wait_for_earlier_saves(const Model& model, PendingSaves& saves);

/// What is said of an optimizer's variables in a file whose model has none to take them.
enum class SpareOptimizers : bool { kWarnedOf, kPassedOver };

void load_model_weights(Model& model, KeptNames& names, const std::filesystem::path& path,
                        const LoadOptions& options, storage::Storage& storage,
                        SpareOptimizers spare = SpareOptimizers::kWarnedOf);

}  // namespace lamina::models
