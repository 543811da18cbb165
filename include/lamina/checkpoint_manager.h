#pragma once
#include <lamina/model.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace lamina {

namespace storage {
class Storage;
}

struct CheckpointManagerOptions {
  /// Made with its parents by the first save. Everything in it that is called "step_" and digits,
  /// or that begins with ".step_", is the manager's. A relative path is one of where the process is
  /// when the manager is made.
  std::filesystem::path directory;
  /// How many of the newest checkpoints stay; 0: all. An older one goes once the next one is there:
  /// the disk needs room for one more. Those beyond a limit that was lowered go before that.
  std::size_t max_to_keep = 5;
  /// Checkpoints of steps that this divides stay as well, for good; 0: none.
  std::int64_t keep_every_n = 0;
  /// ".weights.json" with `save.max_shard_size`, else ".weights.h5". Checkpoints that were saved
  /// before shards were turned on or off count like all others.
  std::string file_name = "model.weights.h5";
  /// For every save; `overwrite` means nothing here.
  AsyncSaveOptions save = {};
};

/// A model's checkpoints of a training run, each in a directory of its own:
/// "step_00001200/model.weights.h5". A directory appears with its checkpoint complete and on stable
/// storage, or not at all, and goes at once, whenever the process or the power dies. Several
/// managers, of several processes too, may have one directory. Every member is safe to call from
/// any thread.
class CheckpointManager {
 public:
  /// Removes what a crash has left in the directory. Throws ValueError for a file name under which
  /// no weights can be saved.
  explicit CheckpointManager(CheckpointManagerOptions options);

  /// Saves the model as the checkpoint of this step, in the place of one that is there, and removes
  /// the checkpoints that are no longer to be kept: never this one, and never the newest one that
  /// verifies. A step that is older than all that are to be kept, as after going back to an older
  /// one, stays until the next save, with a warning. When a checkpoint cannot be read just now, so
  /// that nobody knows which is the newest that verifies, all stay, with a warning, as does one
  /// that cannot be removed. Throws ValueError for a negative step, and what Model::save_weights
  /// throws.
  void save(std::int64_t step, const Model& model);
  /// The same in the background (Model::save_weights_async). Saves to one directory happen one
  /// after the other. In `fit`, from a callback, a save of either kind follows the model's earlier
  /// ones in the background, and fails if one of them did, as FitRun::save_async does: what the
  /// checkpoint holds of the run, once FitRun::refresh_state has brought that up to date, then
  /// speaks of no file that is not there.
  SaveHandle save_async(std::int64_t step, const Model& model);

  /// The steps of the checkpoints there are, ascending. One that is just being replaced is among
  /// them: where names cannot change places that is waited for, and one whose save died just then
  /// is put back. Throws StorageError.
  [[nodiscard]] std::vector<std::int64_t> steps() const;
  /// The last of `steps()`.
  [[nodiscard]] std::optional<std::int64_t> latest() const;
  /// Where the weights of a step are, or would be. Throws StorageError.
  [[nodiscard]] std::filesystem::path path(std::int64_t step) const;
  /// Loads the newest checkpoint that is neither damaged (see LoadOptions::verify) nor incomplete,
  /// with a warning for each newer one, and returns its step; nothing when there is no checkpoint.
  /// Waits for this process's saves first; another process may save, and remove what it no longer
  /// keeps, meanwhile. Throws the newest one's FormatError or FileNotFoundError when all are
  /// damaged, and whatever else a load throws (a file that cannot be read just now, no memory, a
  /// model that does not fit) at once, as an older checkpoint would lose steps for nothing. The
  /// model is then as it was.
  std::optional<std::int64_t> restore_latest(Model& model, const LoadOptions& options = {}) const;

 private:
  struct Begun;
  struct Parts;
  friend class models::Access;
  CheckpointManager(CheckpointManagerOptions options, storage::Storage& storage);
  [[nodiscard]] Begun begin(std::int64_t step, const Model& model) const;
  std::shared_ptr<const Parts> parts_;
};

}  // namespace lamina
