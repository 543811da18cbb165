#include "training/optimizers/loss_scale_optimizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>

#include "training/described/description.h"
#include "training/optimizers/scalars.h"
#include "training/optimizers/update.h"

namespace lamina::training {
namespace {

OptimizerOptions common(const optimizers::LossScaleOptimizerOptions& o) {
  OptimizerOptions common;
  common.learning_rate = 0.0;
  common.name = o.name;
  return common;
}

template <class S>
bool all_finite(std::span<const S> values) {
  const auto count = static_cast<std::int64_t>(values.size());
  std::atomic<bool> finite = true;
#pragma omp parallel for schedule(static) if (count > kBlock)
  for (std::int64_t begin = 0; begin < count; begin += kBlock) {
    bool here = true;
    for (std::int64_t i = begin; i < std::min(begin + kBlock, count); ++i) {
      here &= std::isfinite(compute_t<S>(values[static_cast<std::size_t>(i)]));
    }
    if (!here) finite.store(false, std::memory_order_relaxed);
  }
  return finite;
}

bool all_finite(const std::vector<Tensor>& gradients) {
  for (const Tensor& gradient : gradients) {
    bool here = true;
    if (!gradient.defined()) continue;
    with_floating(gradient.dtype(),
                  [&]<class S>(S) { here = all_finite(std::as_const(gradient).data<S>()); });
    if (!here) return false;
  }
  return true;
}

}  // namespace

LossScaleOptimizer::LossScaleOptimizer(optimizers::LossScaleOptimizerOptions options)
    : Optimizer(common(options), "LossScaleOptimizer"),
      inner_(std::move(options.inner_optimizer)),
      initial_scale_(options.initial_scale),
      growth_steps_(options.dynamic_growth_steps) {
  if (!inner_) throw ValueError("LossScaleOptimizer: `inner_optimizer` is null.");
  if (inner_->inner_optimizer()) {
    throw ValueError("LossScaleOptimizer: `inner_optimizer` scales the loss itself.");
  }
  if (growth_steps_ < 1 || !(initial_scale_ > 0)) {
    throw ValueError(fmt::format(
        "LossScaleOptimizer: `initial_scale` and `dynamic_growth_steps` must be positive; received "
        "{} and {}.",
        initial_scale_, growth_steps_));
  }
  inner_->options_.loss_scale_factor.reset();
}

void LossScaleOptimizer::build(const std::vector<VariablePtr>& trainable_variables) {
  inner_->scaled_ = true;
  inner_->build(trainable_variables);
  if (!built()) {
    step_counter_ = add_variable("step_counter", {}, DType::kInt32, 0);
    dynamic_scale_ = add_variable("dynamic_scale", {}, DType::kFloat32, initial_scale_);
  }
  Optimizer::build(trainable_variables);
}

std::vector<VariablePtr> LossScaleOptimizer::variables() const {
  std::vector<VariablePtr> all = Optimizer::variables();
  const std::vector<VariablePtr> inner = inner_->variables();
  all.insert(all.end(), inner.begin(), inner.end());
  return all;
}

double LossScaleOptimizer::loss_scale() const {
  return dynamic_scale_ ? scalar(*dynamic_scale_) : initial_scale_;
}

bool LossScaleOptimizer::finite_gradients(const std::vector<Tensor>& gradients) {
  const auto there = std::find_if(gradients.begin(), gradients.end(), [](const Tensor& gradient) {
    return gradient.defined() && gradient.device() != Device::cpu();
  });
  if (there == gradients.end()) return all_finite(gradients);
  if (!device_update_ || device_update_->device() != there->device()) {
    device_update_ = std::make_unique<DeviceUpdate>(there->device());
  }
  return device_update_->all_finite(gradients);
}

void LossScaleOptimizer::apply(const std::vector<Tensor>& gradients) {
  check_gradients(gradients);
  const double scale = loss_scale();
  double counter = scalar(*step_counter_) + 1, next = scale;
  const bool finite = finite_gradients(gradients);
  if (!finite) {
    counter = 0;
    next = scale * 0.5;
  } else if (counter == static_cast<double>(growth_steps_)) {
    counter = 0;
    next = scale * 2;
  }
  // What can fail comes before anything changes.
  Tensor next_counter = filled({}, DType::kInt32, counter);
  Tensor next_scale = filled({}, DType::kFloat32, next);
  if (finite) {
    inner_->options_.loss_scale_factor = scale;
    inner_->apply(gradients);
  }
  step_counter_->assign(std::move(next_counter));
  dynamic_scale_->assign(std::move(next_scale));
}

}  // namespace lamina::training

namespace lamina::optimizers {

OptimizerPtr LossScaleOptimizer(LossScaleOptimizerOptions options) {
  return training::described("LossScaleOptimizer", options,
                             std::make_shared<training::LossScaleOptimizer>(options));
}

}  // namespace lamina::optimizers
