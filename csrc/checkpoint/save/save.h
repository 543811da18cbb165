#pragma once
#include <filesystem>

#include "checkpoint/background/save_state.h"
#include "checkpoint/save/save_job.h"
#include "storage/storage.h"
#include "weights/weight_tree.h"

namespace lamina::checkpoint {

/// Writes the tree's variables to `path` by Keras's rules (see Model::save_weights).
void save(const weights::WeightTree& tree, const std::filesystem::path& path,
          const SaveRequest& request, storage::Storage& storage = storage::posix());

/// Writes the checkpoint and puts it in place. Does not call `state.finish`.
/// Throws ValueError, StorageError, CancelledError; the old checkpoint then stays.
void run_save(SaveJob& job, storage::Storage& storage, SaveState& state);

}  // namespace lamina::checkpoint
