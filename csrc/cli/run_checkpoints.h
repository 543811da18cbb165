#pragma once
#include <lamina/callbacks.h>
#include <lamina/checkpoint_manager.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>

namespace lamina::cli {

/// The checkpoints of a run, written in the background, with no more than one save under way.
class RunCheckpoints {
 public:
  RunCheckpoints(std::filesystem::path directory, std::size_t max_to_keep);

  /// Throws what made the save before fail.
  void save(FitRun& run);
  /// Returns when the last save is over; throws what made it fail.
  void finish();

  /// Of the newest one.
  [[nodiscard]] std::optional<std::int64_t> latest() const { return manager_.latest(); }
  /// In the directory as it was given.
  [[nodiscard]] std::filesystem::path path(std::int64_t step) const;
  /// The newest one that is as it was saved, with a warning for each newer one; empty where there
  /// are none at all. Throws FormatError when there are, and each is damaged, and StorageError.
  [[nodiscard]] std::filesystem::path resume_point() const;

 private:
  std::filesystem::path directory_;
  CheckpointManager manager_;
  SaveHandle last_;
};

}  // namespace lamina::cli
