// Callbacks that watch training and steer it. Those that save: checkpoint_callbacks.cpp.
#include <fmt/format.h>
#include <lamina/callbacks.h>
#include <lamina/log.h>

#include <algorithm>
#include <cmath>
#include <fstream>

#include "checkpoint/names/python_text.h"
#include "storage/posix_call.h"
#include "training/callbacks/monitor.h"
#include "training/callbacks/trim_log.h"

namespace lamina::callbacks {
namespace {

using training::Monitor;

/// As Python prints it: "1.0", "1e-05", "nan".
std::string python_text(double value) {
  if (std::isnan(value)) return "nan";  // whatever its sign
  return std::isinf(value) ? fmt::format("{}", value) : checkpoint::python_float(value);
}

class EarlyStoppingCallback : public Callback {
 public:
  explicit EarlyStoppingCallback(EarlyStoppingOptions options)
      : o_(std::move(options)), monitor_(o_.monitor, o_.mode, o_.min_delta) {}

  void on_train_begin(FitRun& run) override {
    monitor_.begin("EarlyStopping", run);
    best_.reset();
    wait_ = best_epoch_ = stopped_epoch_ = 0;
    has_best_weights_ = false;
  }

  void on_epoch_end(FitRun& run, std::int64_t epoch, Logs& logs) override {
    const auto current = monitor_.value(
        logs,
        "Early stopping conditioned on metric `{0}` which is not available. Available metrics "
        "are: {1}");
    if (!current || epoch < o_.start_from_epoch) return;
    if (o_.restore_best_weights && !has_best_weights_) keep_weights(run, epoch);
    ++wait_;
    if (monitor_.improves(*current, best_)) {
      best_ = *current;
      best_epoch_ = epoch;
      if (o_.restore_best_weights) keep_weights(run, epoch);
      if (!o_.baseline || monitor_.improves(*current, o_.baseline)) wait_ = 0;
    } else if (wait_ >= o_.patience && epoch > 0) {
      stopped_epoch_ = epoch;
      run.stop_training();
    }
  }

  void on_train_end(FitRun& run, const Logs&) override {
    if (stopped_epoch_ > 0 && o_.verbose) {
      fmt::print(stderr, "Epoch {}: early stopping\n", stopped_epoch_ + 1);
    }
    if (!has_best_weights_) return;
    if (o_.verbose) {
      fmt::print(stderr, "Restoring model weights from the end of the best epoch: {}.\n",
                 best_epoch_ + 1);
    }
    const auto variables = run.model().variables();
    for (std::size_t i = 0; i < variables.size(); ++i) {
      variables[i]->assign(best_weights_[i]->value());
    }
  }

  std::vector<double> state() const override {
    std::vector<double> state = {static_cast<double>(wait_), static_cast<double>(best_epoch_),
                                 has_best_weights_ ? 1.0 : 0.0};
    training::put(state, best_);
    return state;
  }
  void set_state(const std::vector<double>& state) override {
    wait_ = static_cast<std::int64_t>(state[0]);
    best_epoch_ = static_cast<std::int64_t>(state[1]);
    has_best_weights_ = state[2] != 0;
    best_ = training::get(state, 3);
  }
  std::vector<VariablePtr> variables(const Model& model) override {
    if (!o_.restore_best_weights) return {};
    if (model_ != &model) best_weights_.clear();
    model_ = &model;
    if (best_weights_.empty()) {
      for (const VariablePtr& variable : model.variables()) {
        best_weights_.push_back(std::make_shared<Variable>("best", variable->value(), false));
      }
    }
    return best_weights_;
  }

 private:
  void keep_weights(FitRun& run, std::int64_t epoch) {
    best_epoch_ = epoch;
    // An update replaces values that are held elsewhere, so that these need no copying.
    const auto variables = run.model().variables();
    for (std::size_t i = 0; i < variables.size(); ++i) {
      best_weights_[i]->move_to_value(variables[i]->value());
    }
    has_best_weights_ = true;
  }

  EarlyStoppingOptions o_;
  Monitor monitor_;
  std::optional<double> best_;
  std::int64_t wait_ = 0, best_epoch_ = 0, stopped_epoch_ = 0;
  const Model* model_ = nullptr;  // that `best_weights_` were made for
  std::vector<VariablePtr> best_weights_;
  bool has_best_weights_ = false;  // what they hold counts
};

class ReduceLROnPlateauCallback : public Callback {
 public:
  explicit ReduceLROnPlateauCallback(ReduceLROnPlateauOptions options)
      : o_(std::move(options)), monitor_(o_.monitor, o_.mode, o_.min_delta) {
    if (o_.factor >= 1.0) {
      throw ValueError(fmt::format(
          "ReduceLROnPlateau does not support a factor >= 1.0. Received factor={}", o_.factor));
    }
  }

  void on_train_begin(FitRun& run) override {
    monitor_.begin("ReduceLROnPlateau", run);
    best_.reset();
    wait_ = cooldown_ = 0;
  }

  void on_epoch_end(FitRun& run, std::int64_t epoch, Logs& logs) override {
    logs["learning_rate"] = run.optimizer().learning_rate();
    const auto current = monitor_.value(
        logs,
        "Learning rate reduction is conditioned on metric `{0}` which is not available. Available "
        "metrics are: {1}.");
    if (!current) return;
    if (cooldown_ > 0) {
      --cooldown_;
      wait_ = 0;
    }
    if (monitor_.improves(*current, best_)) {
      best_ = *current;
      wait_ = 0;
    } else if (cooldown_ == 0 && ++wait_ >= o_.patience) {
      reduce(run.optimizer(), epoch);
    }
  }

  std::vector<double> state() const override {
    std::vector<double> state = {static_cast<double>(wait_), static_cast<double>(cooldown_)};
    training::put(state, best_);
    return state;
  }
  void set_state(const std::vector<double>& state) override {
    wait_ = static_cast<std::int64_t>(state[0]);
    cooldown_ = static_cast<std::int64_t>(state[1]);
    best_ = training::get(state, 2);
  }

 private:
  void reduce(Optimizer& optimizer, std::int64_t epoch) {
    const double before = optimizer.learning_rate();
    if (before <= static_cast<float>(o_.min_lr)) return;
    const double after = std::max(before * o_.factor, o_.min_lr);
    optimizer.set_learning_rate(after);
    if (o_.verbose) {
      fmt::print(stderr, "\nEpoch {}: ReduceLROnPlateau reducing learning rate to {}.\n", epoch + 1,
                 python_text(after));
    }
    cooldown_ = o_.cooldown;
    wait_ = 0;
  }

  ReduceLROnPlateauOptions o_;
  Monitor monitor_;
  std::optional<double> best_;
  std::int64_t wait_ = 0, cooldown_ = 0;
};

class LearningRateSchedulerCallback : public Callback {
 public:
  explicit LearningRateSchedulerCallback(std::function<double(std::int64_t, double)> schedule)
      : schedule_(std::move(schedule)) {}
  void on_train_begin(FitRun&) override { last_epoch_ = -1; }
  void on_epoch_begin(FitRun& run, std::int64_t epoch) override {
    // An epoch that is gone on with has had its rate set already.
    if (epoch == last_epoch_) return;
    run.optimizer().set_learning_rate(schedule_(epoch, run.optimizer().learning_rate()));
    last_epoch_ = epoch;
  }
  void on_epoch_end(FitRun& run, std::int64_t, Logs& logs) override {
    logs["learning_rate"] = run.optimizer().learning_rate();
  }
  std::vector<double> state() const override { return {static_cast<double>(last_epoch_)}; }
  void set_state(const std::vector<double>& state) override {
    last_epoch_ = static_cast<std::int64_t>(state[0]);
  }

 private:
  std::function<double(std::int64_t, double)> schedule_;
  std::int64_t last_epoch_ = -1;
};

class CsvLoggerCallback : public Callback {
 public:
  explicit CsvLoggerCallback(CSVLoggerOptions options) : o_(std::move(options)) {}

  void on_train_begin(FitRun& run) override {
    const bool append = o_.append || run.resumed();
    std::error_code error;  // of a file that is not there
    const std::uintmax_t size = std::filesystem::file_size(o_.filename, error);
    begin_ = append && !error ? size : 0;
    needs_header_ = begin_ == 0;
    trims_ = run.resumed();
    columns_.clear();
    open(append ? std::ios::app : std::ios::trunc);
  }

  void on_epoch_begin(FitRun&, std::int64_t epoch) override {
    if (!std::exchange(trims_, false)) return;
    file_.close();
    const std::uintmax_t kept = training::trim_log(o_.filename, epoch, begin_);
    begin_ = std::min(begin_, kept);
    needs_header_ = kept == 0;
    open(std::ios::app);
  }

  void on_epoch_end(FitRun&, std::int64_t epoch, Logs& logs) override {
    if (columns_.empty()) choose_columns(logs);
    if (std::exchange(needs_header_, false)) {
      file_ << "epoch";
      for (const std::string& column : columns_) file_ << o_.separator << column;
      file_ << "\r\n";
    }
    file_ << epoch;
    for (const std::string& column : columns_) {
      const auto it = logs.find(column);
      file_ << o_.separator << (it == logs.end() ? "NA" : python_text(it->second));
    }
    file_ << "\r\n";
    file_.flush();
    check("write");
  }

  void on_train_end(FitRun&, const Logs&) override { file_.close(); }

  std::vector<double> state() const override { return {static_cast<double>(begin_)}; }
  // A file of before there was this number has -1: then all lines of a log that is appended to may
  // be those of earlier runs.
  void set_state(const std::vector<double>& state) override {
    if (state[0] >= 0) {
      begin_ = static_cast<std::uintmax_t>(state[0]);
    } else if (!o_.append) {
      begin_ = 0;
    }
  }

 private:
  // As Keras: without validation logs in the first epoch, columns for them all the same.
  void choose_columns(const Logs& logs) {
    bool validated = false;
    for (const auto& [name, value] : logs) {
      columns_.push_back(name);
      validated |= name.starts_with("val_");
    }
    if (validated) return;
    for (const auto& [name, value] : logs) columns_.push_back("val_" + name);
  }
  void open(std::ios::openmode mode) {
    if (file_.is_open()) file_.close();  // of a fit that failed
    file_.clear();
    file_.open(o_.filename, mode);
    check("open");
  }
  void check(const char* call) {
    if (!file_) storage::raise_posix(call, o_.filename, errno);
  }

  CSVLoggerOptions o_;
  std::ofstream file_;
  std::vector<std::string> columns_;
  std::uintmax_t begin_ = 0;  // where this run's lines begin in the file
  bool needs_header_ = true, trims_ = false;
};

class TerminateOnNaNCallback : public Callback {
 public:
  explicit TerminateOnNaNCallback(TerminateOnNaNOptions options) : o_(options) {}

  void on_train_batch_end(FitRun& run, std::int64_t batch, const Logs& logs) override {
    const auto it = logs.find("loss");
    if (it == logs.end() || std::isfinite(it->second)) return;
    if (o_.raise_error) {
      throw Error(fmt::format(
          "NaN or Inf loss encountered at batch {}. Loss value: {}. Terminating training "
          "immediately.",
          batch, it->second));
    }
    warn(fmt::format("Batch {}: Invalid loss, terminating training", batch));
    run.abandon_training();
  }

 private:
  TerminateOnNaNOptions o_;
};

}  // namespace

CallbackPtr EarlyStopping(EarlyStoppingOptions options) {
  return std::make_shared<EarlyStoppingCallback>(std::move(options));
}

CallbackPtr ReduceLROnPlateau(ReduceLROnPlateauOptions options) {
  return std::make_shared<ReduceLROnPlateauCallback>(std::move(options));
}

CallbackPtr LearningRateScheduler(std::function<double(std::int64_t, double)> schedule) {
  if (!schedule) throw ValueError("LearningRateScheduler needs a function.");
  return std::make_shared<LearningRateSchedulerCallback>(std::move(schedule));
}

CallbackPtr CSVLogger(CSVLoggerOptions options) {
  return std::make_shared<CsvLoggerCallback>(std::move(options));
}

CallbackPtr TerminateOnNaN(TerminateOnNaNOptions options) {
  return std::make_shared<TerminateOnNaNCallback>(options);
}

}  // namespace lamina::callbacks
