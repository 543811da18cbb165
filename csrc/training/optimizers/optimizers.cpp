// SGD, Adam, AdamW, Adamax, RMSprop, Adagrad, Adadelta and Lion: one functor each.
#include <fmt/format.h>
#include <lamina/optimizers.h>

#include <algorithm>
#include <cmath>

#include "training/described/description.h"
#include "training/optimizers/adam_rule.h"
#include "training/optimizers/common_options.h"
#include "training/optimizers/update.h"

namespace lamina::optimizers {
namespace {

using training::common_options;
using training::described;
using training::run_step;
using training::Update;

class SgdOptimizer : public Optimizer {
 public:
  explicit SgdOptimizer(const SGDOptions& o) : Optimizer(common_options(o), "SGD"), o_(o) {
    if (o.momentum < 0 || o.momentum > 1) {
      throw ValueError(fmt::format(
          "`momentum` must be a float between [0, 1]. Received: momentum={}", o.momentum));
    }
  }
  std::string class_name() const override { return "SGD"; }

 protected:
  void create_slots() override {
    if (o_.momentum != 0) add_slots({"momentum"});
  }
  void step(Update& update) const override {
    if (o_.momentum == 0) {
      run_step(update, [&]<class T>(T) { return kernels::SgdStep<T>{T(update.learning_rate)}; });
      return;
    }
    run_step(update, [&]<class T>(T) {
      return kernels::SgdMomentumStep<T>{T(update.learning_rate), T(o_.momentum), o_.nesterov};
    });
  }

 private:
  SGDOptions o_;
};

class AdamOptimizer : public Optimizer {
 public:
  /// With AdamOptions or AdamWOptions.
  template <class Options>
  AdamOptimizer(const Options& o, std::string class_name)
      : Optimizer(common_options(o), class_name),
        numbers_{o.beta_1, o.beta_2, o.epsilon},
        amsgrad_(o.amsgrad),
        class_name_(std::move(class_name)) {}
  std::string class_name() const override { return class_name_; }

 protected:
  void create_slots() override {
    add_slots({"momentum", "velocity"});
    if (amsgrad_) add_slots({"velocity_hat"});
  }
  void step(Update& update) const override {
    if (amsgrad_) {
      run_step(update, [&]<class T>(T) { return functor<kernels::AmsgradStep<T>, T>(update); });
    } else {
      run_step(update, [&]<class T>(T) { return functor<kernels::AdamStep<T>, T>(update); });
    }
  }

 private:
  template <class Functor, class T>
  Functor functor(const Update& update) const {
    return training::adam_rule<Functor>(numbers_, update, T(update.learning_rate));
  }

  training::AdamNumbers numbers_;
  bool amsgrad_;
  std::string class_name_;
};

class AdamaxOptimizer : public Optimizer {
 public:
  explicit AdamaxOptimizer(const AdamaxOptions& o)
      : Optimizer(common_options(o), "Adamax"), o_(o) {}
  std::string class_name() const override { return "Adamax"; }

 protected:
  void create_slots() override { add_slots({"momentum", "norm"}); }
  void step(Update& update) const override {
    run_step(update, [&]<class T>(T) {
      const T power = std::pow(T(o_.beta_1), T(update.iteration + 1));
      return kernels::AdamaxStep<T>{T(update.learning_rate), T(1) - power, T(1 - o_.beta_1),
                                    T(o_.beta_2), T(o_.epsilon)};
    });
  }

 private:
  AdamaxOptions o_;
};

class RmspropOptimizer : public Optimizer {
 public:
  explicit RmspropOptimizer(const RMSpropOptions& o)
      : Optimizer(common_options(o), "RMSprop"), o_(o) {}
  std::string class_name() const override { return "RMSprop"; }

 protected:
  void create_slots() override {
    add_slots({"velocity"});
    if (o_.momentum > 0) add_slots({"momentum"});
    if (o_.centered) add_slots({"average_gradient"});
  }
  void step(Update& update) const override {
    if (o_.momentum > 0 && o_.centered) return run<true, true>(update);
    if (o_.momentum > 0) return run<true, false>(update);
    if (o_.centered) return run<false, true>(update);
    run<false, false>(update);
  }

 private:
  template <bool kMomentum, bool kCentered>
  void run(Update& update) const {
    run_step(update, [&]<class T>(T) {
      return kernels::RmspropStep<T, kMomentum, kCentered>{
          T(update.learning_rate), T(o_.rho), T(1 - o_.rho), T(o_.momentum), T(o_.epsilon)};
    });
  }

  RMSpropOptions o_;
};

class AdagradOptimizer : public Optimizer {
 public:
  explicit AdagradOptimizer(const AdagradOptions& o)
      : Optimizer(common_options(o), "Adagrad"), o_(o) {}
  std::string class_name() const override { return "Adagrad"; }

 protected:
  void create_slots() override { add_slots({"accumulator"}, o_.initial_accumulator_value); }
  void step(Update& update) const override {
    run_step(update, [&]<class T>(T) {
      return kernels::AdagradStep<T>{T(update.learning_rate), T(o_.epsilon)};
    });
  }

 private:
  AdagradOptions o_;
};

class AdadeltaOptimizer : public Optimizer {
 public:
  explicit AdadeltaOptimizer(const AdadeltaOptions& o)
      : Optimizer(common_options(o), "Adadelta"), o_(o) {}
  std::string class_name() const override { return "Adadelta"; }

 protected:
  void create_slots() override { add_slots({"accumulated_grad", "accumulated_delta_var"}); }
  void step(Update& update) const override {
    run_step(update, [&]<class T>(T) {
      return kernels::AdadeltaStep<T>{T(update.learning_rate), T(o_.rho), T(1 - o_.rho),
                                      T(o_.epsilon)};
    });
  }

 private:
  AdadeltaOptions o_;
};

class LionOptimizer : public Optimizer {
 public:
  explicit LionOptimizer(const LionOptions& o) : Optimizer(common_options(o), "Lion"), o_(o) {
    if (o.beta_1 <= 0 || o.beta_1 > 1) {
      throw ValueError(fmt::format(
          "Argument `beta_1` must be in the [0, 1] range. Otherwise, the optimizer degenerates to "
          "SignSGD. Received: beta_1={}.",
          o.beta_1));
    }
  }
  std::string class_name() const override { return "Lion"; }

 protected:
  void create_slots() override { add_slots({"momentum"}); }
  void step(Update& update) const override {
    run_step(update, [&]<class T>(T) {
      return kernels::LionStep<T>{T(update.learning_rate), T(o_.beta_1), T(o_.beta_2)};
    });
  }

 private:
  LionOptions o_;
};

}  // namespace

OptimizerPtr SGD(SGDOptions options) {
  return described("SGD", options, std::make_shared<SgdOptimizer>(options));
}

OptimizerPtr Adam(AdamOptions options) {
  return described("Adam", options, std::make_shared<AdamOptimizer>(options, "Adam"));
}

OptimizerPtr AdamW(AdamWOptions options) {
  return described("AdamW", options, std::make_shared<AdamOptimizer>(options, "AdamW"));
}

OptimizerPtr Adamax(AdamaxOptions options) {
  return described("Adamax", options, std::make_shared<AdamaxOptimizer>(options));
}

OptimizerPtr RMSprop(RMSpropOptions options) {
  return described("RMSprop", options, std::make_shared<RmspropOptimizer>(options));
}

OptimizerPtr Adagrad(AdagradOptions options) {
  return described("Adagrad", options, std::make_shared<AdagradOptimizer>(options));
}

OptimizerPtr Adadelta(AdadeltaOptions options) {
  return described("Adadelta", options, std::make_shared<AdadeltaOptimizer>(options));
}

OptimizerPtr Lion(LionOptions options) {
  return described("Lion", options, std::make_shared<LionOptimizer>(options));
}

}  // namespace lamina::optimizers
