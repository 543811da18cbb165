// Nadam: a functor as Adam's, and a number of the optimizer's own that each update multiplies.
#include <lamina/optimizers.h>

#include <algorithm>
#include <cmath>

#include "training/described/description.h"
#include "training/optimizers/common_options.h"
#include "training/optimizers/scalars.h"
#include "training/optimizers/update.h"

namespace lamina::optimizers {
namespace {

using training::Update;

/// What the update of this number takes for beta_1.
template <class T>
T momentum_of(T beta_1, std::int64_t update) {
  return beta_1 * (T(1) - T(0.5) * std::pow(T(0.96), T(update)));
}

class NadamOptimizer : public Optimizer {
 public:
  explicit NadamOptimizer(const NadamOptions& o)
      : Optimizer(training::common_options(o), "Nadam"), o_(o) {}
  std::string class_name() const override { return "Nadam"; }

 protected:
  void create_slots() override;
  void step(Update& update) const override;
  [[nodiscard]] std::vector<NewValue> own_values(const Update& update) const override {
    if (!u_product_) return {};
    return {{u_product_, training::filled({}, u_product_->dtype(), product(update))}};
  }

 private:
  template <class T>
  [[nodiscard]] kernels::NadamStep<T> rule(const Update& update, double product) const;
  /// Of the momentums of all updates, the one at hand among them.
  [[nodiscard]] double product(const Update& update) const;

  NadamOptions o_;
  VariablePtr u_product_;
};

void NadamOptimizer::create_slots() {
  add_slots({"momentum", "velocity"});
  // Keras counts it among the variables but where a LossScaleOptimizer builds it.
  if (scaled()) return;
  const std::vector<VariablePtr>& all = trainable_variables();
  const DType dtype = all.empty() ? DType::kFloat32 : all.front()->dtype();
  u_product_ = add_variable("u_product", {}, dtype, 1);
}

double NadamOptimizer::product(const Update& update) const {
  const std::int64_t number = update.iteration + 1;
  if (u_product_) return training::scalar(*u_product_) * momentum_of(o_.beta_1, number);
  constexpr std::int64_t kSettled = 1024;  // what comes behind differs from beta_1 by no bit
  double product = 1;
  for (std::int64_t i = 1; i <= std::min(number, kSettled) && product != 0; ++i) {
    product *= momentum_of(o_.beta_1, i);
  }
  return product *
         std::pow(o_.beta_1, static_cast<double>(std::max(number - kSettled, std::int64_t{0})));
}

template <class T>
kernels::NadamStep<T> NadamOptimizer::rule(const Update& update, double product) const {
  const std::int64_t number = update.iteration + 1;
  const T beta_1 = T(o_.beta_1), beta_2 = T(o_.beta_2);
  const T now = momentum_of(beta_1, number), next = momentum_of(beta_1, number + 1);
  const T until_now = T(product);
  return {T(update.learning_rate),
          next / (T(1) - until_now * next),
          (T(1) - now) / (T(1) - until_now),
          T(1) - beta_1,
          T(1) - beta_2,
          T(1) - std::pow(beta_2, T(number)),
          T(o_.epsilon)};
}

void NadamOptimizer::step(Update& update) const {
  const double now = product(update);
  training::run_step(update, [&]<class T>(T) { return rule<T>(update, now); });
}

}  // namespace

OptimizerPtr Nadam(NadamOptions options) {
  return training::described("Nadam", options, std::make_shared<NadamOptimizer>(options));
}

}  // namespace lamina::optimizers
