#pragma once
#include <lamina/callbacks.h>
#include <lamina/checkpoint_manager.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>

#include "checkpoint/steps/step_directories.h"

namespace lamina::cli {

/// The checkpoints of a run, written in the background, with no more than one save under way.
class RunCheckpoints {
 public:
  /// What is there is looked at in `storage`.
  RunCheckpoints(const std::filesystem::path& directory, std::size_t max_to_keep,
                 storage::Storage& storage = storage::posix());

  /// Throws what made the save before fail.
  void save(FitRun& run);
  /// Returns when the last save is over; throws what made it fail.
  void finish();

  /// Of the newest one.
  [[nodiscard]] std::optional<std::int64_t> latest() const { return manager_.latest(); }
  /// In the directory as it was given.
  [[nodiscard]] std::filesystem::path path(std::int64_t step) const { return found_.file(step); }
  /// The newest one that is as it was saved, with a warning for each newer one; empty where there
  /// are none at all. Throws FormatError when there are, and each is damaged, and StorageError.
  /// Others may save there, and remove what they no longer keep, meanwhile.
  [[nodiscard]] std::filesystem::path resume_point() const;
  /// Has `run` go on from that one; with a warning from the next, when another process has removed
  /// it before the run has begun, of which nothing may have changed by then. Throws
  /// FileNotFoundError where all are gone, and what `run` throws.
  void resume(const std::function<void(const std::filesystem::path& from)>& run);
  /// The run has what it goes on from: from now on it needs that no more.
  void begin() noexcept { begun_ = true; }

 private:
  storage::Storage& storage_;
  CheckpointManager manager_;
  checkpoint::StepDirectories found_;
  SaveHandle last_;
  bool begun_ = false;
};

}  // namespace lamina::cli
