#include "models/checkpoint_manager.h"

#include <fmt/format.h>
#include <lamina/log.h>

#include "checkpoint/async_save.h"
#include "models/model_weights.h"
#include "models/pending_saves.h"

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

}  // namespace

CheckpointManager::CheckpointManager(CheckpointManagerOptions options)
    : CheckpointManager(std::move(options), storage::posix()) {}

CheckpointManager::CheckpointManager(CheckpointManagerOptions given, storage::Storage& storage) {
  CheckpointManagerOptions options = checked(std::move(given));
  checkpoint::StepDirectories directories(options.directory, options.file_name, storage);
  const checkpoint::KeepRule keep{options.max_to_keep, options.keep_every_n};
  std::string key = checkpoint::save_key(options.directory, false);
  parts_ = std::make_shared<const Parts>(
      Parts{std::move(options), storage, std::move(directories), keep, std::move(key)});
  try {
    parts_->directories.clean();
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
  model.saves_->throw_failure();
  Begun out;
  out.job = std::make_shared<SaveJob>(models::begin_save(model, model.saves_->names, path(step),
                                                         parts_->options.save, parts_->storage)
                                          .value());
  out.job->fresh_directory = true;  // as StepDirectories makes them
  out.state = std::make_shared<SaveState>(path(step));
  out.work = [parts = parts_, job = out.job, step](SaveState& state) {
    const auto write = [&](const std::filesystem::path& file) {
      job->target.file = file;
      run_save(*job, parts->storage, state);
      return job->plan;
    };
    parts->directories.save(step, write, parts->keep);
  };
  return out;
}

void CheckpointManager::save(std::int64_t step, const Model& model) {
  Begun begun = begin(step, model);
  checkpoint::save_queue().wait_for(parts_->key);
  begun.work(*begun.state);
}

SaveHandle CheckpointManager::save_async(std::int64_t step, const Model& model) {
  Begun begun = begin(step, model);
  checkpoint::save_queue().submit(parts_->key, begun.state, std::move(begun.work));
  model.saves_->add(begun.state);
  return SaveHandle(begun.state);
}

std::vector<std::int64_t> CheckpointManager::steps() const {
  return parts_->directories.steps();
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
  const std::vector<std::int64_t> all = steps();
  std::exception_ptr newest;
  const auto skip = [&](std::int64_t step, const Error& error) {
    warn(fmt::format("The checkpoint of step {} was skipped: {}", step, error.what()));
    if (!newest) newest = std::current_exception();
  };
  for (auto step = all.rbegin(); step != all.rend(); ++step) {
    try {
      models::load(model, model.saves_->names, path(*step), options, parts_->storage);
      return *step;
    } catch (const FormatError& error) {
      skip(*step, error);
    } catch (const FileNotFoundError& error) {
      skip(*step, error);
    }  // what does not say that the files are at fault is no reason to go back to older ones
  }
  if (newest) std::rethrow_exception(newest);
  return {};
}

}  // namespace lamina
