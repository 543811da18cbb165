#include <fmt/format.h>
#include <lamina/callbacks.h>

#include <functional>
#include <utility>
#include <vector>

#include "core/tell.h"
#include "training/callbacks/number_text.h"

namespace lamina::callbacks {
namespace {

class LearningRateSchedulerCallback : public Callback {
 public:
  LearningRateSchedulerCallback(std::function<double(std::int64_t, double)> schedule, bool verbose)
      : schedule_(std::move(schedule)), verbose_(verbose) {}
  std::string class_name() const override { return "LearningRateScheduler"; }
  void on_train_begin(FitRun&) override { last_epoch_ = -1; }
  void on_epoch_begin(FitRun& run, std::int64_t epoch) override {
    // An epoch that is gone on with has had its rate set already.
    if (epoch == last_epoch_) return;
    const double rate = schedule_(epoch, run.optimizer().learning_rate());
    run.optimizer().set_learning_rate(rate);
    last_epoch_ = epoch;
    if (!verbose_) return;
    core::tell(stderr, "\nEpoch {}: LearningRateScheduler setting learning rate to {}.\n",
               epoch + 1, training::number_text(rate));
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
  bool verbose_;
  std::int64_t last_epoch_ = -1;
};

}  // namespace

CallbackPtr LearningRateScheduler(std::function<double(std::int64_t, double)> schedule,
                                  bool verbose) {
  if (!schedule) throw ValueError("LearningRateScheduler needs a function.");
  return std::make_shared<LearningRateSchedulerCallback>(std::move(schedule), verbose);
}

}  // namespace lamina::callbacks
