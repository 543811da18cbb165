#include "cli/train_callbacks.h"

#include <fmt/format.h>

#include <fstream>

#include "storage/posix_call.h"

namespace lamina::cli {
namespace {

namespace fs = std::filesystem;

class StepHistory : public Callback {
 public:
  explicit StepHistory(fs::path file) : path_(std::move(file)) {}

  void on_train_begin(FitRun& run) override {
    // Found out now rather than after an epoch.
    open(run.resumed() ? std::ios::app : std::ios::trunc);
    needs_header_ = fs::file_size(path_) == 0;
    trims_ = run.resumed();
  }
  void on_epoch_begin(FitRun&, std::int64_t epoch) override { epoch_ = epoch; }
  void on_train_batch_begin(FitRun& run, std::int64_t) override {
    rate_ = run.optimizer().learning_rate();
  }
  void on_train_batch_end(FitRun& run, std::int64_t, const Logs& logs) override {
    if (std::exchange(trims_, false)) trim(run.step());
    if (std::exchange(needs_header_, false)) {
      out_ << "step,epoch,loss";
      for (const auto& [name, value] : logs) {
        if (name != "loss") out_ << ',' << name;
      }
      out_ << ",learning_rate\n";
    }
    out_ << fmt::format("{},{},{}", run.step(), epoch_ + 1, run.batch_loss());
    for (const auto& [name, value] : logs) {
      if (name != "loss") out_ << fmt::format(",{}", value);
    }
    out_ << fmt::format(",{}\n", static_cast<float>(rate_));
    if (!out_.flush()) storage::raise_posix("write", path_, errno);
  }

 private:
  void open(std::ios::openmode mode) {
    out_.open(path_, mode);
    if (!out_) storage::raise_posix("open", path_, errno);
  }

  /// Cuts off what was written after the checkpoint: the lines of `step` and later, and one without
  /// an end. The file loses nothing else, whenever this is killed.
  void trim(std::int64_t step) {
    out_.close();
    std::ifstream in(path_);
    std::uintmax_t kept = 0;
    for (std::string line; std::getline(in, line) && !in.eof(); kept += line.size() + 1) {
      if (kept > 0 && std::atoll(line.c_str()) >= step) break;
    }
    in.close();
    std::error_code error;
    fs::resize_file(path_, kept, error);
    if (error) storage::raise_posix("truncate", path_, error.value());
    needs_header_ = kept == 0;
    open(std::ios::app);
  }

  fs::path path_;
  std::ofstream out_;
  std::int64_t epoch_ = 0;
  double rate_ = 0;
  bool needs_header_ = true, trims_ = false;
};

/// In the background, with no more than one save under way.
class CheckpointSteps : public Callback {
 public:
  CheckpointSteps(std::shared_ptr<CheckpointManager> manager, std::int64_t every)
      : manager_(std::move(manager)), every_(every) {}
  bool saves() const override { return true; }
  void on_train_batch_end(FitRun& run, std::int64_t, const Logs&) override {
    if (run.step() % every_ != 0) return;
    last_.wait();
    run.refresh_state();
    last_ = manager_->save_async(run.step(), run.model());
  }
  void on_train_end(FitRun&, const Logs&) override { last_.wait(); }

 private:
  std::shared_ptr<CheckpointManager> manager_;
  std::int64_t every_;
  SaveHandle last_;
};

}  // namespace

CallbackPtr step_history(fs::path file) {
  return std::make_shared<StepHistory>(std::move(file));
}

CallbackPtr checkpoint_steps(std::shared_ptr<CheckpointManager> manager, std::int64_t every) {
  return std::make_shared<CheckpointSteps>(std::move(manager), every);
}

}  // namespace lamina::cli
