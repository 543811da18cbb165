#pragma once
#include <lamina/training.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lamina {

/// A running `fit`, as callbacks see it.
class FitRun {
 public:
  virtual ~FitRun() = default;
  [[nodiscard]] virtual Model& model() = 0;
  [[nodiscard]] virtual Optimizer& optimizer() = 0;
  [[nodiscard]] virtual std::int64_t epochs() const = 0;
  [[nodiscard]] virtual std::int64_t steps_per_epoch() const = 0;
  /// Batches trained in all, by earlier calls of `fit` too.
  [[nodiscard]] virtual std::int64_t step() const = 0;
  /// The loss of the last batch by itself; NaN too when its update left a weight infinite or NaN.
  [[nodiscard]] virtual double batch_loss() const = 0;
  /// Which values of a log are better, "val_" or not: the smaller ones of losses, of metrics what
  /// they say themselves. None: nobody knows.
  [[nodiscard]] virtual std::optional<Direction> direction(std::string_view log) const = 0;
  /// True when `fit` goes on from a checkpoint.
  [[nodiscard]] virtual bool resumed() const = 0;
  /// Ends `fit` after this batch or epoch.
  virtual void stop_training() = 0;
  /// The same for a run whose weights are lost: from here on, this batch and the end of `fit`
  /// included, no callback that saves is called, wherever it stands among the others. What was
  /// saved last stays, the backup of BackupAndRestore too.
  virtual void abandon_training() = 0;
  /// Saves the model's weights and its optimizer's, in a file of Keras's, and beside them what
  /// `FitOptions::resume_from` needs, where Keras does not look. Throws what Model::save_weights
  /// throws.
  virtual void save(const std::filesystem::path& path, const SaveOptions& options) = 0;
  /// The same in the background, of how things are now (Model::save_weights_async). A save of the
  /// run begins when those in the background before it are over, and fails if one of them did: a
  /// file never speaks of another that is not there.
  virtual SaveHandle save_async(const std::filesystem::path& path,
                                const AsyncSaveOptions& options) = 0;
  /// Brings the state up to date that any save of the model made now will hold, such as one of
  /// CheckpointManager's.
  virtual void refresh_state() = 0;
  /// Goes on from such a file. Only in `on_train_begin`.
  virtual void restore(const std::filesystem::path& path) = 0;
};

/// When a callback saves. A file from which a run goes on speaks of others, "the best one has been
/// saved", and so comes after them: a run that is killed in between goes on from before both.
enum class SaveTurn : std::uint8_t {
  kBest,        ///< files that the state of others speaks of: ModelCheckpoint's of the best only
  kCheckpoint,  ///< other checkpoints
  kBackup,      ///< what the run goes on from by itself: BackupAndRestore
};

/// Something that is called as training goes on. `logs` may be added to, for callbacks that follow
/// and for the history. Epochs and their batches count from 0 (only the paths of ModelCheckpoint
/// count them from 1). To write one, derive and override what is needed.
class Callback {
 public:
  virtual ~Callback() = default;
  virtual void on_train_begin(FitRun&) {}
  virtual void on_train_end(FitRun&, const Logs&) {}
  virtual void on_epoch_begin(FitRun&, std::int64_t /*epoch*/) {}
  virtual void on_epoch_end(FitRun&, std::int64_t /*epoch*/, Logs&) {}
  virtual void on_train_batch_begin(FitRun&, std::int64_t /*batch*/) {}
  /// `logs` are the means over the epoch so far.
  virtual void on_train_batch_end(FitRun&, std::int64_t /*batch*/, const Logs&) {}
  /// Around each validation, before `on_epoch_end`. `logs` are its own, without "val_".
  virtual void on_test_begin(FitRun&) {}
  virtual void on_test_end(FitRun&, const Logs&) {}

  /// Callbacks that save are called after all others, so that they save what these know; and not
  /// at all once the run is abandoned (FitRun::abandon_training).
  [[nodiscard]] virtual bool saves() const { return false; }
  /// Of callbacks that save: follows each `on_train_batch_end` and `on_epoch_end` when all have had
  /// theirs. There they decide what to save, here they save it: so every file holds what all have
  /// decided, such as which one was the best.
  virtual void on_save(FitRun&) {}
  /// Callbacks that save are called in the order of their turns, and within one in that in which
  /// they were given: at the end of `fit` as well.
  [[nodiscard]] virtual SaveTurn save_turn() const { return SaveTurn::kCheckpoint; }
  /// What the files of a run call the callback. Only a run whose callbacks have the same names, in
  /// the same order, goes on from them: so a name must never change, and who may yet rename the
  /// class states one here. Its first 32 bytes count. By default the name of the C++ class, without
  /// namespaces and without "Callback" at its end.
  [[nodiscard]] virtual std::string class_name() const;
  /// What the callback has to remember for an exact resume: always as many numbers.
  [[nodiscard]] virtual std::vector<double> state() const { return {}; }
  virtual void set_state(const std::vector<double>&) {}
  /// The same for tensors: every file that the run saves holds these variables, and they have their
  /// values back before `set_state`. Asked for before `on_train_begin`; for one model always the
  /// same ones.
  [[nodiscard]] virtual std::vector<VariablePtr> variables(const Model&) { return {}; }
};

using CallbackPtr = std::shared_ptr<Callback>;

/// Keras's callbacks, with Keras's names and defaults. The factories throw ValueError for options
/// that Keras refuses.
namespace callbacks {

/// Which of two values of a log is better. kAuto: what FitRun::direction says; where it cannot
/// tell, `fit` throws ValueError before it trains.
enum class Mode : std::uint8_t { kAuto, kMin, kMax };

/// Saves weights (or models) after each epoch, or every `save_freq` batches; with `save_best_only`
/// before the checkpoints and backups that say which was the best. In the path, "{epoch}" or
/// "{epoch:02d}" is the epoch from 1, "{batch}" the batch from 1, "{val_loss:.2f}" a log.
struct ModelCheckpointOptions {
  std::filesystem::path filepath;
  std::string monitor = "val_loss";
  bool verbose = false;
  bool save_best_only = false;
  /// False, Keras's default: whole models, as `.keras` files (Model::save), at once and each in one
  /// file; of `save` these follow `overwrite`, `progress` and `seal`.
  bool save_weights_only = true;
  Mode mode = Mode::kAuto;
  std::optional<std::int64_t> save_freq = {};  ///< none: "epoch"
  std::optional<double> initial_value_threshold = {};
  SaveOptions save = {};  ///< `max_shard_size` for sharded checkpoints
  /// Training goes on while files are written, until the next save is due: no more than one is
  /// under way, and those of several callbacks come one after another. `fit` returns when the last
  /// one is over, and throws what made one fail.
  bool asynchronous = false;
};
[[nodiscard]] CallbackPtr ModelCheckpoint(ModelCheckpointOptions options);

/// Saves what is needed to go on after a crash, and goes on from there when `fit` is called again
/// with the same arguments. Saves after all other callbacks, whose files are there when the backup
/// is. The files go when `fit` ends as it should, all other saves included: also those of another
/// process that has the same directory, which goes on and makes new ones. Each run wants its own.
struct BackupAndRestoreOptions {
  /// A relative path is one of where the process is when the callback is made, wherever it goes
  /// while `fit` runs.
  std::filesystem::path backup_dir;
  std::optional<std::int64_t> save_freq = {};  ///< in batches; none: "epoch"
  /// Keeps the backup before the last one too, to go on from when the last one is damaged.
  bool double_checkpoint = false;
  bool delete_checkpoint = true;
  bool asynchronous = false;  ///< as ModelCheckpoint's
};
[[nodiscard]] CallbackPtr BackupAndRestore(BackupAndRestoreOptions options);

/// Ends training when `monitor` has not become better for `patience` epochs. With
/// `restore_best_weights` the model then has those of the best epoch; files that the run saves hold
/// them beside the newest ones, so that a run that goes on knows them too.
struct EarlyStoppingOptions {
  std::string monitor = "val_loss";
  double min_delta = 0;
  std::int64_t patience = 0;
  bool verbose = false;
  Mode mode = Mode::kAuto;
  std::optional<double> baseline = {};
  bool restore_best_weights = false;
  std::int64_t start_from_epoch = 0;
};
[[nodiscard]] CallbackPtr EarlyStopping(EarlyStoppingOptions options = {});

/// Multiplies the learning rate by `factor` when `monitor` has not become better for `patience`
/// epochs.
struct ReduceLROnPlateauOptions {
  std::string monitor = "val_loss";
  double factor = 0.1;
  std::int64_t patience = 10;
  bool verbose = false;
  Mode mode = Mode::kAuto;
  double min_delta = 1e-4;
  std::int64_t cooldown = 0;
  double min_lr = 0.0;
};
[[nodiscard]] CallbackPtr ReduceLROnPlateau(ReduceLROnPlateauOptions options = {});

/// Sets the learning rate of each epoch, from 0, to schedule(epoch, learning rate before).
/// `verbose`: writes each one to standard error.
[[nodiscard]] CallbackPtr LearningRateScheduler(
    std::function<double(std::int64_t epoch, double learning_rate)> schedule, bool verbose = false);

/// Calls functions at the times and with the arguments of the members of Callback of those names;
/// an empty one is not called. It remembers nothing: what the functions need for an exact resume,
/// a callback of one's own gives to the files that the run saves.
struct LambdaCallbackOptions {
  std::function<void(FitRun&, std::int64_t epoch)> on_epoch_begin = {};
  std::function<void(FitRun&, std::int64_t epoch, Logs&)> on_epoch_end = {};
  std::function<void(FitRun&)> on_train_begin = {};
  std::function<void(FitRun&, const Logs&)> on_train_end = {};
  std::function<void(FitRun&, std::int64_t batch)> on_train_batch_begin = {};
  std::function<void(FitRun&, std::int64_t batch, const Logs&)> on_train_batch_end = {};
  std::function<void(FitRun&)> on_test_begin = {};
  std::function<void(FitRun&, const Logs&)> on_test_end = {};
};
[[nodiscard]] CallbackPtr LambdaCallback(LambdaCallbackOptions options);

/// Validates with the averages of an optimizer with `use_ema` in the place of the weights, which
/// then come back. With `swap_on_epoch` the averages are in the model from the end of each epoch to
/// the beginning of the next as well, for callbacks behind this one and for those that save: files
/// hold averages as weights, and weights as the optimizer's averages; after the last epoch the
/// averages as both. A run that ends before its last epoch leaves the averages in the model too
/// (in Keras the weights, and the averages are lost). Without `use_ema` `fit` throws ValueError
/// before it trains.
struct SwapEMAWeightsOptions {
  bool swap_on_epoch = false;
};
[[nodiscard]] CallbackPtr SwapEMAWeights(SwapEMAWeightsOptions options = {});

/// Writes a line of logs an epoch, with what holds the separator in quotes, as in Keras. A `fit`
/// that goes on from a checkpoint appends, in the place of the lines of the epochs that it trains
/// again.
struct CSVLoggerOptions {
  std::filesystem::path filename;
  std::string separator = ",";
  bool append = false;
};
[[nodiscard]] CallbackPtr CSVLogger(CSVLoggerOptions options);

/// Writes what TensorBoard shows (`tensorboard --logdir LOG_DIR`), to event files in
/// `log_dir`/train and `log_dir`/validation, with Keras's tags: after each epoch, at its number,
/// "epoch_loss" and so on for each log (of every epoch; Keras leaves out those that do not end at a
/// multiple of `update_freq`), "epoch_learning_rate", and where there was validation
/// "evaluation_loss_vs_iterations" at the optimizer's iterations; after every `update_freq`
/// batches, at the batches trained in all (FitRun::step), "batch_loss" and so on. What was logged
/// can be read at once, and stays when the process dies. Each `fit` begins new files; one that goes
/// on from a checkpoint repeats the steps behind it, to the same values. Graphs, weights and
/// profiles are not written. Throws StorageError.
struct TensorBoardOptions {
  std::filesystem::path log_dir = "logs";
  bool write_steps_per_second = false;  ///< "epoch_steps_per_second", "batch_steps_per_second"
  std::optional<std::int64_t> update_freq = {};  ///< in batches, 1: "batch"; none: "epoch"
};
[[nodiscard]] CallbackPtr TensorBoard(TensorBoardOptions options = {});

/// Abandons training (FitRun::abandon_training) when the loss is NaN or infinite: checkpoints and
/// backups stay those of the last batch or epoch before. With `raise_error` `fit` throws Error at
/// once instead.
struct TerminateOnNaNOptions {
  bool raise_error = false;
};
[[nodiscard]] CallbackPtr TerminateOnNaN(TerminateOnNaNOptions options = {});

}  // namespace callbacks
}  // namespace lamina
