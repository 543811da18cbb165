#include "cli/run_checkpoints.h"

#include <fmt/format.h>
#include <lamina/error.h>
#include <lamina/log.h>

#include <cerrno>
#include <string>

#include "checkpoint/steps/restore_newest.h"
#include "checkpoint/verify/soundness.h"
#include "core/terminal_progress.h"

namespace lamina::cli {
namespace {

/// Of a checkpoint that was looked at.
class DamagedError : public FormatError {
 public:
  DamagedError(const std::string& damage, std::filesystem::path checkpoint)
      : FormatError(damage), checkpoint_(std::move(checkpoint)) {}
  [[nodiscard]] const std::filesystem::path& checkpoint() const { return checkpoint_; }

 private:
  std::filesystem::path checkpoint_;
};

void require_sound(const std::filesystem::path& checkpoint, storage::Storage& storage) {
  core::TerminalProgress bar("verify", 0, core::TerminalProgress::Style::kBytes);
  const std::string damage = checkpoint::damage_of(
      checkpoint, [&](std::uint64_t done, std::uint64_t total) { bar.update(done, total); },
      storage);
  if (!damage.empty()) throw DamagedError(damage, checkpoint);
}

CheckpointManagerOptions options(const std::filesystem::path& directory, std::size_t max_to_keep) {
  CheckpointManagerOptions out;
  out.directory = directory;
  out.max_to_keep = max_to_keep;
  return out;
}

}  // namespace

RunCheckpoints::RunCheckpoints(const std::filesystem::path& directory, std::size_t max_to_keep,
                               storage::Storage& storage)
    : storage_(storage),
      manager_(options(directory, max_to_keep)),
      found_(directory, CheckpointManagerOptions().file_name, storage) {}

void RunCheckpoints::save(FitRun& run) {
  last_.wait();
  run.refresh_state();
  last_ = manager_.save_async(run.step(), run.model());
}

void RunCheckpoints::finish() {
  last_.wait();
}

std::filesystem::path RunCheckpoints::resume_point() const {
  std::filesystem::path sound;
  try {
    (void)checkpoint::restore_newest(found_, [&](const std::filesystem::path& file) {
      require_sound(file, storage_);
      sound = file;
    });
  } catch (const DamagedError& newest) {
    throw FormatError(
        fmt::format("There is no checkpoint to go on from: each is damaged, the newest of them "
                    "'{}'.",
                    newest.checkpoint().string()));
  }
  return sound;
}

void RunCheckpoints::resume(const std::function<void(const std::filesystem::path& from)>& run) {
  constexpr int kAttempts = 100;
  std::filesystem::path gone;
  for (int attempt = 1;; ++attempt) {
    const std::filesystem::path from = resume_point();
    if (from.empty() && !gone.empty()) {
      throw FileNotFoundError(
          fmt::format("Another process has removed the checkpoint '{}', from which the run was to "
                      "go on, and there is no other.",
                      gone.string()),
          ENOENT);
    }
    try {
      return run(from);
    } catch (const Error& error) {
      if (from.empty() || begun_ || attempt == kAttempts || storage_.exists(from)) throw;
      warn(
          fmt::format("Another process has removed the checkpoint '{}', from which the run was to "
                      "go on: the newest of the others is looked for. ({})",
                      from.string(), error.what()));
      gone = from;
    }
  }
}

}  // namespace lamina::cli
