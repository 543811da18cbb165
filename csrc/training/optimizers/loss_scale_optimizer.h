#pragma once
#include <lamina/optimizers.h>

namespace lamina::training {

/// keras.optimizers.LossScaleOptimizer: its own variables are an iteration and a learning rate that
/// mean nothing, then "step_counter" and "dynamic_scale"; the inner optimizer's follow.
class LossScaleOptimizer : public Optimizer {
 public:
  explicit LossScaleOptimizer(optimizers::LossScaleOptimizerOptions options);

  std::string class_name() const override { return "LossScaleOptimizer"; }
  void build(const std::vector<VariablePtr>& trainable_variables) override;
  void apply(const std::vector<Tensor>& gradients) override;
  std::vector<VariablePtr> variables() const override;
  std::int64_t steps() const override { return inner_->steps(); }
  std::int64_t iterations() const override { return inner_->iterations(); }
  double learning_rate() const override { return inner_->learning_rate(); }
  void set_learning_rate(double rate) override { inner_->set_learning_rate(rate); }
  double loss_scale() const override;
  bool finite() const override { return inner_->finite(); }
  OptimizerPtr inner_optimizer() const override { return inner_; }
  void finalize_variable_values() override { inner_->finalize_variable_values(); }
  void swap_averages() override { inner_->swap_averages(); }
  void set_averages_swapped(bool swapped) noexcept override {
    inner_->set_averages_swapped(swapped);
  }

 protected:
  void create_slots() override {}
  void step(Update&) const override {}

 private:
  [[nodiscard]] bool finite_gradients(const std::vector<Tensor>& gradients);

  OptimizerPtr inner_;
  double initial_scale_;
  std::int64_t growth_steps_;
  VariablePtr step_counter_, dynamic_scale_;
};

}  // namespace lamina::training
