#include <lamina/callbacks.h>

#include <vector>

namespace lamina::callbacks {
namespace {

bool has_averages(const Optimizer& optimizer) {
  const OptimizerPtr inner = optimizer.inner_optimizer();
  return inner ? has_averages(*inner) : optimizer.options().use_ema;
}

class SwapEMAWeightsCallback : public Callback {
 public:
  explicit SwapEMAWeightsCallback(SwapEMAWeightsOptions options) : o_(options) {}
  std::string class_name() const override { return "SwapEMAWeights"; }

  void on_train_begin(FitRun& run) override {
    if (!has_averages(run.optimizer())) {
      throw ValueError(
          "SwapEMAWeights must be used when `use_ema=True` is set on the optimizer. Received: "
          "use_ema=False");
    }
    optimizer_ = &run.optimizer();
    set_swapped(false);
  }
  void on_epoch_begin(FitRun&, std::int64_t) override {
    if (swapped_) swap();
  }
  // What is saved after the last epoch is what `fit` leaves.
  void on_epoch_end(FitRun& run, std::int64_t epoch, Logs&) override {
    if (!o_.swap_on_epoch) return;
    swap();
    if (epoch < run.epochs() - 1) return;
    optimizer_->finalize_variable_values();
    swapped_ = false;
  }
  void on_test_begin(FitRun&) override { swap(); }
  void on_test_end(FitRun&, const Logs&) override { swap(); }

  std::vector<double> state() const override { return {swapped_ ? 1.0 : 0.0}; }
  void set_state(const std::vector<double>& state) override { set_swapped(state[0] != 0); }

 private:
  void swap() {
    optimizer_->swap_averages();
    swapped_ = !swapped_;
  }
  void set_swapped(bool swapped) {
    optimizer_->set_averages_swapped(swapped);
    swapped_ = swapped;
  }

  SwapEMAWeightsOptions o_;
  Optimizer* optimizer_ = nullptr;  // of the run
  bool swapped_ = false;            // its averages are in the model
};

}  // namespace

CallbackPtr SwapEMAWeights(SwapEMAWeightsOptions options) {
  return std::make_shared<SwapEMAWeightsCallback>(options);
}

}  // namespace lamina::callbacks
