#include <fmt/format.h>
#include <lamina/checkpoint_manager.h>
#include <lamina/log.h>

#include "checkpoint/background/save_queue.h"
#include "checkpoint/commit/recovery_report.h"
#include "checkpoint/names/paths.h"
#include "checkpoint/save/save.h"
#include "checkpoint/steps/restore_newest.h"
#include "checkpoint/steps/step_directories.h"
#include "models/weights/access.h"
#include "models/weights/model_weights.h"
#include "models/weights/pending_saves.h"
#include "storage/storage.h"

namespace lamina {
namespace {

using checkpoint::SaveJob;
using checkpoint::SaveState;

/// Refuses a name that no save takes, and makes it what saves make of it.
CheckpointManagerOptions checked(CheckpointManagerOptions options) {
  const std::filesystem::path name = options.file_name;
  if (name.has_parent_path() || name.string().starts_with('.')) {
    throw ValueError("CheckpointManager: `file_name` must be the name of a file. Received: " +
                     options.file_name);
  }
  if (options.keep_every_n < 0) {
    throw ValueError(
        fmt::format("CheckpointManager: `keep_every_n` must not be negative. Received: {}",
                    options.keep_every_n));
  }
  options.file_name = checkpoint::save_target(name, options.save.save.max_shard_size).file.string();
  options.save.save.overwrite = true;
  return options;
}

CheckpointManagerOptions with_absolute_directory(CheckpointManagerOptions options) {
  options.directory = checkpoint::from_root(options.directory.empty() ? "." : options.directory);
  return options;
}

}  // namespace

struct CheckpointManager::Parts {
  CheckpointManagerOptions options;
  storage::Storage& storage;
  checkpoint::StepDirectories directories;
  checkpoint::KeepRule keep;
  std::string key;  // of the saves to the directory
};

CheckpointManager models::Access::checkpoint_manager(CheckpointManagerOptions options,
                                                     storage::Storage& storage) {
  return {std::move(options), storage};
}

CheckpointManager::CheckpointManager(CheckpointManagerOptions options)
    : CheckpointManager(with_absolute_directory(std::move(options)), storage::posix()) {}

CheckpointManager::CheckpointManager(CheckpointManagerOptions given, storage::Storage& storage) {
  CheckpointManagerOptions options = checked(std::move(given));
  checkpoint::StepDirectories directories(options.directory, options.file_name, storage);
  const checkpoint::KeepRule keep{options.max_to_keep, options.keep_every_n};
  std::string key = checkpoint::save_key(options.directory, false);
  parts_ = std::make_shared<const Parts>(
      Parts{std::move(options), storage, std::move(directories), keep, std::move(key)});
  try {
    checkpoint::Recovery done;
    parts_->directories.clean(done);
    for (const std::string& problem : done.problems) checkpoint::warn_of_leftover(problem);
  } catch (const StorageError& error) {  // the directory may be read by who may not write there
    warn(std::string("What a crash may have left was not removed: ") + error.what());
  }
}

struct CheckpointManager::Begun {
  std::shared_ptr<SaveJob> job;
  std::shared_ptr<SaveState> state;
  checkpoint::SaveQueue::Work work;
};

CheckpointManager::Begun CheckpointManager::begin(std::int64_t step, const Model& model) const {
  if (step < 0) {
    throw ValueError(fmt::format("A step must not be negative. Received: step={}", step));
  }
  models::Access::saves(model).throw_failure();
  Begun out;
  const std::filesystem::path place = parts_->directories.new_file(step);
  out.job = std::make_shared<SaveJob>(
      models::begin_model_save(model, models::Access::saves(model).names, place,
                               parts_->options.save, parts_->storage)
          .value());
  out.job->fresh_directory = true;  // as StepDirectories makes them
  out.state = std::make_shared<SaveState>(place);
  out.work = [parts = parts_, job = out.job, step](SaveState& state) {
    const auto write = [&](const std::filesystem::path& file) {
      job->target.file = file;
      run_save(*job, parts->storage, state);
      return job->plan;
    };
    parts->directories.save(step, write, parts->keep, [&state](const std::filesystem::path& lock) {
      state.go_on_waiting_for(lock);
    });
  };
  return out;
}

void CheckpointManager::save(std::int64_t step, const Model& model) {
  models::wait_for_earlier_saves(model, models::Access::saves(model));
  Begun begun = begin(step, model);
  checkpoint::save_queue().wait_for(parts_->key);
  begun.work(*begun.state);
}

SaveHandle CheckpointManager::save_async(std::int64_t step, const Model& model) {
  Begun begun = begin(step, model);
  checkpoint::save_queue().submit(parts_->key, begun.state, std::move(begun.work),
                                  models::earlier_saves(model, models::Access::saves(model)));
  models::Access::saves(model).add(begun.state);
  return SaveState::handle(begun.state);
}

std::vector<std::int64_t> CheckpointManager::steps() const {
  return parts_->directories.settled_steps();
}

std::optional<std::int64_t> CheckpointManager::latest() const {
  const std::vector<std::int64_t> all = steps();
  if (all.empty()) return {};
  return all.back();
}

std::filesystem::path CheckpointManager::path(std::int64_t step) const {
  return parts_->directories.file(step);
}

std::optional<std::int64_t> CheckpointManager::restore_latest(Model& model,
                                                              const LoadOptions& options) const {
  checkpoint::save_queue().wait_for(parts_->key);
  const auto load = [&](const std::filesystem::path& file) {
    models::load_model_weights(model, models::Access::saves(model).names, file, options,
                               parts_->storage);
  };
  return checkpoint::restore_newest(parts_->directories, load);
}

}  // namespace lamina
