#include "cli/train_callbacks.h"

#include <fmt/format.h>
#include <lamina/error.h>
#include <lamina/log.h>

#include <cmath>
#include <fstream>
#include <optional>

#include "storage/posix_call.h"
#include "training/callbacks/trim_log.h"

namespace lamina::cli {
namespace {

namespace fs = std::filesystem;

class StepHistory {
 public:
  explicit StepHistory(fs::path file) : path_(std::move(file)) {}

  /// Opens the file: that it cannot be written is found out now rather than after an epoch.
  void begin(bool goes_on) {
    open(goes_on ? std::ios::app : std::ios::trunc);
    needs_names_ = fs::file_size(path_) == 0;
    trims_ = goes_on;
  }
  void write(const FitRun& run, std::int64_t epoch, double rate, const Logs& logs) {
    if (std::exchange(trims_, false)) {
      out_.close();
      needs_names_ = training::trim_log(path_, run.step(), 0) == 0;
      open(std::ios::app);
    }
    if (std::exchange(needs_names_, false)) {
      out_ << "step,epoch,loss";
      for (const auto& [name, value] : logs) {
        if (name != "loss") out_ << ',' << name;
      }
      out_ << ",learning_rate\n";
    }
    out_ << fmt::format("{},{},{}", run.step(), epoch + 1, run.batch_loss());
    for (const auto& [name, value] : logs) {
      if (name != "loss") out_ << fmt::format(",{}", value);
    }
    out_ << fmt::format(",{}\n", static_cast<float>(rate));
    if (!out_.flush()) storage::raise_posix("write", path_, errno);
  }

 private:
  void open(std::ios::openmode mode) {
    out_.open(path_, mode);
    if (!out_) storage::raise_posix("open", path_, errno);
  }

  fs::path path_;
  std::ofstream out_;
  bool needs_names_ = true, trims_ = false;
};

class StepWatch : public Callback {
 public:
  StepWatch(fs::path history, CallbackPtr board, std::shared_ptr<RunCheckpoints> checkpoints)
      : board_(board ? std::move(board) : std::make_shared<Callback>()),
        checkpoints_(std::move(checkpoints)) {
    if (!history.empty()) history_.emplace(std::move(history));
  }
  std::string class_name() const override { return "StepWatch"; }

  void on_train_begin(FitRun& run) override {
    if (history_) history_->begin(run.resumed());
    board_->on_train_begin(run);
  }
  void on_train_end(FitRun& run, const Logs& logs) override { board_->on_train_end(run, logs); }
  void on_epoch_begin(FitRun& run, std::int64_t epoch) override {
    if (checkpoints_) checkpoints_->begin();
    epoch_ = epoch;
    board_->on_epoch_begin(run, epoch);
  }
  void on_epoch_end(FitRun& run, std::int64_t epoch, Logs& logs) override {
    board_->on_epoch_end(run, epoch, logs);
  }
  void on_train_batch_begin(FitRun& run, std::int64_t batch) override {
    rate_ = run.optimizer().learning_rate();
    board_->on_train_batch_begin(run, batch);
  }
  void on_train_batch_end(FitRun& run, std::int64_t batch, const Logs& logs) override {
    if (history_) history_->write(run, epoch_, rate_, logs);
    board_->on_train_batch_end(run, batch, logs);
    if (std::isfinite(run.batch_loss())) return;
    throw Error(fmt::format(
        "Step {} (epoch {}): the loss, or a weight after the step, is NaN or infinite. Training "
        "ends, and nothing of this step is saved. {}",
        run.step(), epoch_ + 1, newest_checkpoint()));
  }

 private:
  [[nodiscard]] std::string newest_checkpoint() const {
    if (checkpoints_) {
      try {
        checkpoints_->finish();  // one may be on its way
      } catch (const Error& error) {
        warn(error.what());
      }
      if (const auto step = checkpoints_->latest()) {
        return fmt::format("The newest checkpoint is '{}'.", checkpoints_->path(*step).string());
      }
    }
    return "There is no checkpoint.";
  }

  std::optional<StepHistory> history_;
  CallbackPtr board_;
  std::shared_ptr<RunCheckpoints> checkpoints_;
  std::int64_t epoch_ = 0;
  double rate_ = 0;
};

class StepSaver : public Callback {
 public:
  StepSaver(std::shared_ptr<RunCheckpoints> checkpoints, std::int64_t every)
      : checkpoints_(std::move(checkpoints)), every_(every) {}
  std::string class_name() const override { return "StepSaver"; }
  bool saves() const override { return true; }
  void on_train_batch_end(FitRun& run, std::int64_t, const Logs&) override {
    unsaved_ = run.step() % every_ != 0;
    if (!unsaved_) checkpoints_->save(run);
  }
  // Here and not when training ends: by then the averages of `use_ema` are in the weights' place,
  // and a run of more epochs could not go on as if this one had had as many.
  void on_epoch_end(FitRun& run, std::int64_t epoch, Logs&) override {
    if (unsaved_ && epoch + 1 == run.epochs()) checkpoints_->save(run);
  }
  void on_train_end(FitRun&, const Logs&) override { checkpoints_->finish(); }

 private:
  std::shared_ptr<RunCheckpoints> checkpoints_;
  std::int64_t every_;
  bool unsaved_ = false;  // the last step that this run trained
};

}  // namespace

CallbackPtr watch_steps(fs::path history, CallbackPtr board,
                        std::shared_ptr<RunCheckpoints> checkpoints) {
  return std::make_shared<StepWatch>(std::move(history), std::move(board), std::move(checkpoints));
}

CallbackPtr save_steps(std::shared_ptr<RunCheckpoints> checkpoints, std::int64_t every) {
  return std::make_shared<StepSaver>(std::move(checkpoints), every);
}

}  // namespace lamina::cli
