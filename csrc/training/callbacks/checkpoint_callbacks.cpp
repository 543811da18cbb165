// Callbacks that save.
#include <fmt/format.h>
#include <lamina/callbacks.h>
#include <lamina/error.h>
#include <lamina/log.h>

#include <cerrno>
#include <cmath>
#include <utility>

#include "checkpoint/names/paths.h"
#include "checkpoint/verify/soundness.h"
#include "core/tell.h"
#include "models/weights/saves.h"
#include "storage/link_or_copy.h"
#include "storage/storage.h"
#include "training/callbacks/monitor.h"
#include "training/callbacks/path_pattern.h"

namespace lamina::callbacks {
namespace {

using training::Monitor;

/// Every so many batches, over the ends of epochs, as Keras counts them.
class BatchCounter {
 public:
  explicit BatchCounter(std::optional<std::int64_t> every) : every_(every) {}
  /// After a batch: whether it is time.
  bool due() {
    if (!every_ || ++seen_ < *every_) return false;
    seen_ = 0;
    return true;
  }
  [[nodiscard]] std::int64_t seen() const noexcept { return seen_; }
  void set_seen(std::int64_t seen) noexcept { seen_ = seen; }

 private:
  std::optional<std::int64_t> every_;
  std::int64_t seen_ = 0;
};

void require_save_freq(const char* callback, const std::optional<std::int64_t>& save_freq) {
  if (!save_freq || *save_freq >= 1) return;
  throw ValueError(
      fmt::format("{}: `save_freq` must be positive; received {}.", callback, *save_freq));
}

std::string text_of(double log) {
  if (std::isnan(log)) return "nan";  // whatever its sign
  return fmt::format("{:.5f}", log);
}

/// Saves at once, or in the background with no more than one save under way: where storage is
/// slower than training, training waits rather than that values pile up.
class Saver {
 public:
  explicit Saver(bool asynchronous) : asynchronous_(asynchronous) {}
  void save(FitRun& run, const std::filesystem::path& path, const SaveOptions& options) {
    if (!asynchronous_) return run.save(path, options);
    last_.wait();
    last_ = run.save_async(path, {.save = options});
  }
  void finish() { last_.wait(); }

 private:
  bool asynchronous_;
  SaveHandle last_;
};

class ModelCheckpointCallback : public Callback {
 public:
  explicit ModelCheckpointCallback(ModelCheckpointOptions options)
      : o_(std::move(options)),
        monitor_(o_.monitor, o_.mode),
        best_(o_.initial_value_threshold),
        counter_(o_.save_freq),
        saver_(o_.asynchronous) {
    require_save_freq("ModelCheckpoint", o_.save_freq);
    const std::string path = o_.filepath.string();
    if (!o_.save_weights_only) {
      require_whole_models(path);
      return;
    }
    const char* suffix = o_.save.max_shard_size ? ".weights.json" : ".weights.h5";
    if (path.ends_with(suffix)) return;
    throw ValueError(fmt::format(
        "When using `ModelCheckpoint`, the filepath provided must end in `{}`. Received: "
        "filepath={}",
        suffix, path));
  }
  std::string class_name() const override { return "ModelCheckpoint"; }
  bool saves() const override { return true; }
  SaveTurn save_turn() const override {
    return o_.save_best_only ? SaveTurn::kBest : SaveTurn::kCheckpoint;
  }

  void on_train_begin(FitRun& run) override {
    due_.reset();
    // What cannot be written is refused now, rather than after an epoch.
    if (!o_.save_weights_only) (void)run.model().to_json();
    if (o_.save_best_only) monitor_.begin("ModelCheckpoint", run);
  }
  void on_epoch_begin(FitRun&, std::int64_t epoch) override { epoch_ = epoch; }
  void on_train_batch_end(FitRun&, std::int64_t batch, const Logs& logs) override {
    if (counter_.due()) decide(batch, logs);
  }
  void on_epoch_end(FitRun&, std::int64_t, Logs& logs) override {
    if (!o_.save_freq) decide({}, logs);
  }
  void on_save(FitRun& run) override {
    if (!due_) return;
    const std::filesystem::path path = *std::exchange(due_, {});
    storage::create_directories(path.parent_path(), storage::posix());
    if (o_.save_weights_only) {
      saver_.save(run, path, o_.save);
    } else {
      run.refresh_state();
      run.model().save(path, {o_.save.overwrite, o_.save.progress, o_.save.seal});
    }
    if (!o_.asynchronous) say("finished saving model to " + path.string());
  }
  void on_train_end(FitRun&, const Logs&) override { saver_.finish(); }

  std::vector<double> state() const override {
    std::vector<double> state = {static_cast<double>(counter_.seen())};
    training::put(state, best_);
    return state;
  }
  void set_state(const std::vector<double>& state) override {
    counter_.set_seen(static_cast<std::int64_t>(state[0]));
    best_ = training::get(state, 1);
  }

 private:
  void require_whole_models(const std::string& path) const {
    if (!path.ends_with(".keras")) {
      throw ValueError(fmt::format(
          "The filepath provided must end in `.keras` (Keras model format). Received: filepath={}",
          path));
    }
    if (!o_.asynchronous && !o_.save.max_shard_size) return;
    throw ValueError(
        "ModelCheckpoint: whole models (`save_weights_only` is false) are saved neither in the "
        "background (`asynchronous`) nor in shards (`max_shard_size`).");
  }
  void decide(const std::optional<std::int64_t>& batch, const Logs& logs) {
    const auto number = batch ? std::optional(*batch + 1) : std::nullopt;
    const std::filesystem::path path =
        training::fill_pattern(o_.filepath.string(), epoch_ + 1, number, logs);
    if (is_wanted(logs, path)) due_ = path;
  }

  bool is_wanted(const Logs& logs, const std::filesystem::path& path) {
    if (!o_.save_best_only) {
      say("saving model to " + path.string());
      return true;
    }
    const auto current = monitor_.value(logs, "Can save best model only with {0} available.");
    if (!current) return true;
    const std::string best = best_ ? text_of(*best_) : "None";
    if (!monitor_.improves(*current, best_)) {
      say(fmt::format("{} did not improve from {}", o_.monitor, best));
      return false;
    }
    say(fmt::format("{} improved from {} to {}, saving model to {}", o_.monitor, best,
                    text_of(*current), path.string()));
    best_ = *current;
    return true;
  }

  void say(const std::string& what) const {
    if (o_.verbose) core::tell(stderr, "\nEpoch {}: {}\n", epoch_ + 1, what);
  }

  ModelCheckpointOptions o_;
  Monitor monitor_;
  std::optional<double> best_;
  BatchCounter counter_;
  Saver saver_;
  std::int64_t epoch_ = 0;
  std::optional<std::filesystem::path> due_;  // what was decided on and is not saved yet
};

class BackupAndRestoreCallback : public Callback {
 public:
  explicit BackupAndRestoreCallback(BackupAndRestoreOptions options)
      : o_(std::move(options)),
        directory_(checkpoint::from_root(o_.backup_dir)),
        file_(directory_ / "latest.weights.h5"),
        previous_(directory_ / "previous.weights.h5"),
        link_(directory_ / ".previous.weights.h5"),
        counter_(o_.save_freq),
        saver_(o_.asynchronous) {
    require_save_freq("BackupAndRestore", o_.save_freq);
    if (o_.backup_dir.empty()) throw ValueError("Empty `backup_dir` argument passed");
  }
  std::string class_name() const override { return "BackupAndRestore"; }
  bool saves() const override { return true; }
  SaveTurn save_turn() const override { return SaveTurn::kBackup; }

  void on_train_begin(FitRun& run) override {
    due_ = false;
    // The last backup of a fit that failed in this process may still be on its way.
    models::wait_for_saves(models::key_of_saves(file_, false));
    linked_ = false;
    mend();
    if (storage::posix().exists(file_)) run.restore(file_);
  }
  void on_train_batch_end(FitRun&, std::int64_t, const Logs&) override { due_ = counter_.due(); }
  void on_epoch_end(FitRun&, std::int64_t, Logs&) override { due_ = !o_.save_freq; }
  void on_save(FitRun& run) override {
    if (std::exchange(due_, false)) save(run);
  }
  void on_train_end(FitRun&, const Logs&) override {
    if (!o_.delete_checkpoint) return finish();
    or_without_directory([&] { finish(); });
    std::error_code error;
    for (const auto& file : {link_, previous_, file_}) {
      std::filesystem::remove(file, error);
      if (error) warn("The backup '" + file.string() + "' was not removed: " + error.message());
    }
    try {
      storage::posix().remove_directory(directory_);
    } catch (const StorageError&) {
      // It holds something else, or is a link, which is not ours.
    }
  }

  std::vector<double> state() const override { return {static_cast<double>(counter_.seen())}; }
  void set_state(const std::vector<double>& state) override {
    counter_.set_seen(static_cast<std::int64_t>(state[0]));
  }

 private:
  /// Puts a sound backup of before, where one was kept, in the place of a damaged last one.
  void mend() const {
    std::string damage;
    // The link is of a run that died when a save was, or seemed to be, under way.
    for (const auto& before : {link_, previous_}) {
      if (!storage::posix().exists(before)) continue;
      if (damage.empty()) damage = damage_of(file_);
      if (damage.empty()) return;
      const std::string worse = damage_of(before);
      if (worse.empty()) {
        warn("The backup before takes the place of the last one: " + damage);
        or_gone([&] { storage::posix().rename(before, file_); });
        return;
      }
      damage += ' ' + worse;
    }
    if (damage.empty()) return;
    throw FormatError("There is no backup to go on from: each is damaged. " + damage);
  }
  static std::string damage_of(const std::filesystem::path& backup) {
    return checkpoint::damage_of(backup, {}, storage::posix());
  }

  // Each of several processes may have been told to make backups here, as where a run is started
  // once a device: that one is faster, or ends first and removes them, is no reason for the others
  // to end.

  /// Goes on where another has removed, or renamed, a file.
  template <class F>
  static void or_gone(const F& action) {
    try {
      action();
    } catch (const FileNotFoundError&) {
    }
  }
  /// False where another has removed the directory. An error may also tell of another save.
  template <class F>
  bool or_without_directory(const F& action) const {
    try {
      action();
      return true;
    } catch (const FileNotFoundError&) {
      if (storage::posix().exists(directory_)) throw;
      return false;
    }
  }

  void save(FitRun& run) {
    constexpr int kAttempts = 10;
    or_without_directory([&] { finish(); });
    for (int attempt = 1; attempt < kAttempts; ++attempt) {
      if (or_without_directory([&] { try_to_save(run); })) return;
    }
    try_to_save(run);
  }
  void try_to_save(FitRun& run) {
    storage::create_directories(directory_, storage::posix());
    or_unlink([&] {
      if (o_.double_checkpoint) keep_last();
      saver_.save(run, file_, {});
    });
    if (!o_.asynchronous) finish();
  }

  /// A save puts a new file in the place of the last one, which thus keeps its bytes. Until it has
  /// done so the backup before the last one is needed: only then the last one takes its name.
  void keep_last() {
    storage::Storage& storage = storage::posix();
    if (!storage.exists(file_)) return;
    or_gone([&] { storage.remove(link_); });
    linked_ = true;
    try {
      or_gone([&] { storage::link_or_copy(file_, link_, storage); });
    } catch (const StorageError& error) {
      if (error.code() != EEXIST) throw;  // another's is one of a backup, too
    }
  }
  void finish() {
    or_unlink([&] { saver_.finish(); });
    if (std::exchange(linked_, false)) {
      or_gone([&] { storage::posix().rename(link_, previous_); });
    }
  }
  /// After a save that failed the last backup is where it was.
  template <class F>
  void or_unlink(const F& save) {
    try {
      save();
    } catch (...) {
      std::error_code ignored;
      if (std::exchange(linked_, false)) std::filesystem::remove(link_, ignored);
      throw;
    }
  }

  BackupAndRestoreOptions o_;
  std::filesystem::path directory_, file_, previous_, link_;
  bool linked_ = false;  // the link is there, of the backup that the save under way replaces
  bool due_ = false;
  BatchCounter counter_;
  Saver saver_;
};

}  // namespace

CallbackPtr ModelCheckpoint(ModelCheckpointOptions options) {
  return std::make_shared<ModelCheckpointCallback>(std::move(options));
}

CallbackPtr BackupAndRestore(BackupAndRestoreOptions options) {
  return std::make_shared<BackupAndRestoreCallback>(std::move(options));
}

}  // namespace lamina::callbacks
