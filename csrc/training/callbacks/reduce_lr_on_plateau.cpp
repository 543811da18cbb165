#include <fmt/format.h>
#include <lamina/callbacks.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "core/tell.h"
#include "training/callbacks/monitor.h"
#include "training/callbacks/number_text.h"

namespace lamina::callbacks {
namespace {

using training::Monitor;

class ReduceLROnPlateauCallback : public Callback {
 public:
  explicit ReduceLROnPlateauCallback(ReduceLROnPlateauOptions options)
      : o_(std::move(options)), monitor_(o_.monitor, o_.mode, o_.min_delta) {
    if (o_.factor >= 1.0) {
      throw ValueError(fmt::format(
          "ReduceLROnPlateau does not support a factor >= 1.0. Received factor={}", o_.factor));
    }
  }
  std::string class_name() const override { return "ReduceLROnPlateau"; }

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
      core::tell(stderr, "\nEpoch {}: ReduceLROnPlateau reducing learning rate to {}.\n", epoch + 1,
                 training::number_text(after));
    }
    cooldown_ = o_.cooldown;
    wait_ = 0;
  }

  ReduceLROnPlateauOptions o_;
  Monitor monitor_;
  std::optional<double> best_;
  std::int64_t wait_ = 0, cooldown_ = 0;
};

}  // namespace

CallbackPtr ReduceLROnPlateau(ReduceLROnPlateauOptions options) {
  return std::make_shared<ReduceLROnPlateauCallback>(std::move(options));
}

}  // namespace lamina::callbacks
