#pragma once
#include <cstdint>
#include <exception>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/commit/recovery.h"
#include "checkpoint/commit/recovery_report.h"
#include "storage/storage.h"

namespace lamina::checkpoint {

/// Which checkpoints of a run stay.
struct KeepRule {
  std::size_t newest = 0;    ///< 0: all
  std::int64_t every_n = 0;  ///< steps that this divides; 0: none of them
};

/// The checkpoints of a training run, each in a directory "step_00001200" that comes and goes as
/// one (the protocol is in step_directories.cpp). Safe for use by several threads and processes.
class StepDirectories {
 public:
  StepDirectories(std::filesystem::path directory, std::string file_name,
                  storage::Storage& storage);

  /// Of the checkpoints there are, ascending: single files and sharded ones, whichever of the two
  /// `file_name` asks for. A step that is just being replaced is missing for a moment where names
  /// cannot change places. For who has the lock, or looks once more.
  [[nodiscard]] std::vector<std::int64_t> steps() const;
  /// The same once no step is on its way: waits for who is replacing one, and puts back one whose
  /// save died doing so, with a warning where that may not be.
  [[nodiscard]] std::vector<std::int64_t> settled_steps() const;
  /// The checkpoint's single file, or its index, whichever is there; else where a save puts it.
  [[nodiscard]] std::filesystem::path file(std::int64_t step) const;
  /// Where a save puts it.
  [[nodiscard]] std::filesystem::path new_file(std::int64_t step) const;
  /// Opens that file, which can tell from then on whether another has come in its place.
  [[nodiscard]] std::unique_ptr<storage::ReadableFile> open(std::int64_t step) const;

  /// Writes a checkpoint at the path that it is given, durably. Returns what its files are laid out
  /// by: those of two saves that return the same object differ in values alone.
  using Write = std::function<std::shared_ptr<const void>(const std::filesystem::path&)>;

  /// Has `write` make the checkpoint in a new directory which then becomes that of the step;
  /// removes what `keep` does not want, but never this one nor the newest checkpoint that verifies.
  /// After an exception the checkpoints are those there were, but for what `keep` did not want of
  /// those: that goes first, but never the newest that verifies, nor the step before this one. If
  /// undoing failed as well, the step's may be the new one. `waiting` may end the waiting for other
  /// saves, see `lock_checkpoint`.
  void save(std::int64_t step, const Write& write, const KeepRule& keep,
            const Waiting& waiting = {}) const;
  /// Puts back and removes what saves that died have left, unless one is at work. Adds to `done`
  /// what it did, even if it throws.
  void clean(Recovery& done) const;

 private:
  struct Attempt;
  struct ReadBack;
  struct Sight;
  /// The step that was written last, and what its files are laid out by.
  struct Saved {
    std::int64_t step;
    std::shared_ptr<const void> layout;
  };
  [[nodiscard]] std::filesystem::path at(std::int64_t step) const;
  /// Which of a step's two possible files is there; nothing for a directory that is no checkpoint.
  [[nodiscard]] std::optional<std::filesystem::path> find_file(std::int64_t step) const;
  [[nodiscard]] Sight look() const;
  /// For a step that is between two names: puts it back if its save died, unless one is at work.
  /// Returns what stands in the way of that.
  [[nodiscard]] std::string put_back() const;
  void clean_locked(Recovery& done) const;
  void tell_of_replaced(const std::vector<std::string>& names, Recovery& done) const;
  /// Makes durable that they are hidden, then removes them.
  void remove_hidden(const std::vector<std::filesystem::path>& directories) const;
  [[nodiscard]] bool change_places(Attempt& attempt) const;
  void put_in_place(Attempt& attempt) const;
  void replace(Attempt& attempt) const;
  void prune(const KeepRule& keep, const Saved& saved) const;
  /// Returns what stood in the way.
  [[nodiscard]] std::exception_ptr prune_before(std::int64_t step,
                                                const KeepRule& keep) const noexcept;
  void remove_but_for_newest(const std::vector<std::int64_t>& all, std::vector<std::int64_t> going,
                             const Saved& saved) const;
  /// Has the step be none any more. Returns the directory that it leaves, which is to be removed.
  [[nodiscard]] std::filesystem::path hide(std::int64_t step) const;
  /// Removes what was hidden. One of which nothing may be removed, as where it is write-protected,
  /// is the step's again.
  void remove_or_show(std::int64_t step, const std::filesystem::path& hidden) const;
  void warn_of_newer(std::int64_t newest, const KeepRule& keep, const Saved& saved) const;
  [[nodiscard]] bool is_good(std::int64_t step, const Saved& saved) const;

  std::filesystem::path directory_;
  std::string file_name_;
  std::string other_name_;  ///< of a checkpoint of the other kind; empty: there can be none
  storage::Storage& storage_;
  std::shared_ptr<ReadBack> read_back_;
};

}  // namespace lamina::checkpoint
