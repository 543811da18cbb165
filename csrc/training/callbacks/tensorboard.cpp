// callbacks::TensorBoard: Keras's tags and steps (keras/src/callbacks/tensorboard.py), in event
// files that nobody needs TensorFlow for.
#include <fmt/format.h>
#include <lamina/callbacks.h>

#include <chrono>
#include <optional>

#include "storage/event_file.h"

namespace lamina::callbacks {
namespace {

using storage::EventFile;

class TensorBoardCallback : public Callback {
 public:
  explicit TensorBoardCallback(TensorBoardOptions options) : o_(std::move(options)) {
    if (o_.log_dir.empty()) throw ValueError("TensorBoard: `log_dir` is empty.");
    if (o_.update_freq && *o_.update_freq < 1) {
      throw ValueError(fmt::format("TensorBoard: `update_freq` must be positive; received {}.",
                                   *o_.update_freq));
    }
  }
  std::string class_name() const override { return "TensorBoard"; }

  // That nothing can be written there is found out now rather than after an epoch.
  void on_train_begin(FitRun&) override {
    train_.emplace(o_.log_dir / "train");
    validation_.reset();
  }

  void on_epoch_begin(FitRun& run, std::int64_t) override {
    epoch_start_ = Clock::now();
    epoch_iterations_ = run.optimizer().iterations();
  }

  void on_train_batch_begin(FitRun&, std::int64_t) override { batch_start_ = Clock::now(); }

  void on_train_batch_end(FitRun& run, std::int64_t, const Logs& logs) override {
    if (!o_.update_freq || run.step() % *o_.update_freq != 0) return;
    if (o_.write_steps_per_second) {
      train_->add_scalar("batch_steps_per_second", 1.0 / seconds_since(batch_start_), run.step());
    }
    for (const auto& [name, value] : logs) train_->add_scalar("batch_" + name, value, run.step());
  }

  void on_epoch_end(FitRun& run, std::int64_t epoch, Logs& logs) override {
    Logs train;
    for (const auto& [name, value] : logs) {
      if (!name.starts_with(kValidation)) train[name] = value;
    }
    train["learning_rate"] = run.optimizer().learning_rate();
    if (o_.write_steps_per_second) {
      const std::int64_t done = run.optimizer().iterations() - epoch_iterations_;
      train["steps_per_second"] = static_cast<double>(done) / seconds_since(epoch_start_);
    }
    for (const auto& [name, value] : train) train_->add_scalar("epoch_" + name, value, epoch);
    const std::int64_t iterations = run.optimizer().iterations();
    for (const auto& [log, value] : logs) {
      if (!log.starts_with(kValidation)) continue;
      if (!validation_) validation_.emplace(o_.log_dir / "validation");
      const std::string name = log.substr(kValidation.size());
      validation_->add_scalar("evaluation_" + name + "_vs_iterations", value, iterations);
      validation_->add_scalar("epoch_" + name, value, epoch);
    }
  }

  void on_train_end(FitRun&, const Logs&) override {
    train_.reset();
    validation_.reset();
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::string_view kValidation = "val_";
  static double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  }

  TensorBoardOptions o_;
  std::optional<EventFile> train_, validation_;
  Clock::time_point epoch_start_, batch_start_;
  std::int64_t epoch_iterations_ = 0;
};

}  // namespace

CallbackPtr TensorBoard(TensorBoardOptions options) {
  return std::make_shared<TensorBoardCallback>(std::move(options));
}

}  // namespace lamina::callbacks
