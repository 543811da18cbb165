#include <fmt/format.h>
#include <lamina/optimizers.h>

#include <array>
#include <utility>

#include "training/described/description.h"
#include "training/optimizers/common_options.h"
#include "training/optimizers/update.h"

namespace lamina::optimizers {
namespace {

using training::Update;

void check(const FtrlOptions& o) {
  const std::array<std::pair<const char*, double>, 4> strengths = {
      {{"initial_accumulator_value", o.initial_accumulator_value},
       {"l1_regularization_strength", o.l1_regularization_strength},
       {"l2_regularization_strength", o.l2_regularization_strength},
       {"l2_shrinkage_regularization_strength", o.l2_shrinkage_regularization_strength}}};
  for (const auto& [name, value] : strengths) {
    if (!(value < 0)) continue;
    throw ValueError(
        fmt::format("`{0}` needs to be positive or zero. Received: {0}={1}.", name, value));
  }
  if (o.learning_rate_power > 0) {
    throw ValueError(
        fmt::format("`learning_rate_power` needs to be negative or zero. Received: "
                    "learning_rate_power={}.",
                    o.learning_rate_power));
  }
}

class FtrlOptimizer : public Optimizer {
 public:
  explicit FtrlOptimizer(const FtrlOptions& o)
      : Optimizer(training::common_options(o), "Ftrl"), o_(o) {
    check(o);
  }
  std::string class_name() const override { return "Ftrl"; }

 protected:
  void create_slots() override {
    for (std::size_t i = 0; i < trainable_variables().size(); ++i) {
      const Variable& variable = *trainable_variables()[i];
      add_slot(i, "accumulator", variable.shape(), variable.dtype(), o_.initial_accumulator_value);
      add_slot(i, "linear", variable.shape(), variable.dtype());
    }
  }
  void step(Update& update) const override {
    o_.learning_rate_power == -0.5 ? run<true>(update) : run<false>(update);
  }

 private:
  template <bool kRoot>
  void run(Update& update) const {
    training::run_step(update, [&]<class T>(T) {
      const T rate = T(update.learning_rate);
      return kernels::FtrlStep<T, kRoot>{
          rate, T(-o_.learning_rate_power), T(o_.l1_regularization_strength),
          T(o_.l2_regularization_strength) + T(o_.beta) / (T(2) * rate),
          T(o_.l2_shrinkage_regularization_strength)};
    });
  }

  FtrlOptions o_;
};

}  // namespace

OptimizerPtr Ftrl(FtrlOptions options) {
  return training::described("Ftrl", options, std::make_shared<FtrlOptimizer>(options));
}

}  // namespace lamina::optimizers
