#include <fmt/format.h>
#include <lamina/callbacks.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "core/tell.h"
#include "core/variable_access.h"
#include "training/callbacks/monitor.h"

namespace lamina::callbacks {
namespace {

using training::Monitor;

class EarlyStoppingCallback : public Callback {
 public:
  explicit EarlyStoppingCallback(EarlyStoppingOptions options)
      : o_(std::move(options)), monitor_(o_.monitor, o_.mode, o_.min_delta) {}
  std::string class_name() const override { return "EarlyStopping"; }

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
      core::tell(stderr, "Epoch {}: early stopping\n", stopped_epoch_ + 1);
    }
    if (!has_best_weights_) return;
    if (o_.verbose) {
      core::tell(stderr, "Restoring model weights from the end of the best epoch: {}.\n",
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
    const std::vector<VariablePtr> weights = model.variables();
    // Of another model, which may lie where one lay before, they may be others.
    if (std::equal(weights.begin(), weights.end(), best_weights_.begin(), best_weights_.end(),
                   alike)) {
      return best_weights_;
    }
    best_weights_.clear();
    for (const VariablePtr& variable : weights) {
      best_weights_.push_back(std::make_shared<Variable>("best", variable->value(), false));
    }
    return best_weights_;
  }

 private:
  static bool alike(const VariablePtr& a, const VariablePtr& b) {
    return a->shape() == b->shape() && a->dtype() == b->dtype();
  }
  void keep_weights(FitRun& run, std::int64_t epoch) {
    best_epoch_ = epoch;
    // An update replaces values that are held elsewhere, so that these need no copying.
    const auto variables = run.model().variables();
    for (std::size_t i = 0; i < variables.size(); ++i) {
      core::VariableAccess::move_to_value(*best_weights_[i], variables[i]->value());
    }
    has_best_weights_ = true;
  }

  EarlyStoppingOptions o_;
  Monitor monitor_;
  std::optional<double> best_;
  std::int64_t wait_ = 0, best_epoch_ = 0, stopped_epoch_ = 0;
  std::vector<VariablePtr> best_weights_;
  bool has_best_weights_ = false;  // what they hold counts
};

}  // namespace

CallbackPtr EarlyStopping(EarlyStoppingOptions options) {
  return std::make_shared<EarlyStoppingCallback>(std::move(options));
}

}  // namespace lamina::callbacks
