// ScheduleFreeAdamW: Adam's second moment, and a mean of all weights so far in the place of the
// first.
#include <lamina/optimizers.h>

#include <algorithm>
#include <cmath>

#include "training/described/description.h"
#include "training/optimizers/common_options.h"
#include "training/optimizers/update.h"

namespace lamina::optimizers {
namespace {

using training::Update;

class ScheduleFreeAdamWOptimizer : public Optimizer {
 public:
  explicit ScheduleFreeAdamWOptimizer(const ScheduleFreeAdamWOptions& o)
      : Optimizer(training::common_options(o), "ScheduleFreeAdamW"), o_(o) {}
  std::string class_name() const override { return "ScheduleFreeAdamW"; }

 protected:
  void create_slots() override {
    for (std::size_t i = 0; i < trainable_variables().size(); ++i) {
      const Variable& variable = *trainable_variables()[i];
      add_copy(i, "momentum");
      add_slot(i, "velocity", variable.shape(), variable.dtype());
    }
  }
  void step(Update& update) const override {
    training::run_step(update, [&]<class T>(T) { return rule<T>(update); });
  }

 private:
  template <class T>
  [[nodiscard]] kernels::ScheduleFreeAdamWStep<T> rule(const Update& update) const {
    const T local_step = T(update.iteration + 1);
    T rate = T(update.learning_rate);
    if (o_.warmup_steps > 0) rate *= std::min(local_step / T(o_.warmup_steps), T(1));
    const T beta_2 = T(o_.beta_2);
    return {rate,          T(o_.beta_1),     T(1) - beta_2, T(1) - std::pow(beta_2, local_step),
            T(o_.epsilon), T(1) / local_step};
  }

  ScheduleFreeAdamWOptions o_;
};

}  // namespace

OptimizerPtr ScheduleFreeAdamW(ScheduleFreeAdamWOptions options) {
  return training::described("ScheduleFreeAdamW", options,
                             std::make_shared<ScheduleFreeAdamWOptimizer>(options));
}

}  // namespace lamina::optimizers
