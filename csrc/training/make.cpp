// Losses, schedules and optimizers out of words.
#include <fmt/format.h>

#include "training/spec.h"

namespace lamina::training {
namespace {

template <class Options>
void take_common(Spec& spec, Options& o) {
  spec.take("learning_rate", o.learning_rate);
  spec.take("weight_decay", o.weight_decay);
  spec.take("clipnorm", o.clipnorm);
  spec.take("clipvalue", o.clipvalue);
  spec.take("global_clipnorm", o.global_clipnorm);
  spec.take("use_ema", o.use_ema);
  spec.take("ema_momentum", o.ema_momentum);
  spec.take("ema_overwrite_frequency", o.ema_overwrite_frequency);
  spec.take("loss_scale_factor", o.loss_scale_factor);
  spec.take("gradient_accumulation_steps", o.gradient_accumulation_steps);
  spec.take("name", o.name);
}

/// Options of one class, and the way to make it of them.
void take(Spec& spec, optimizers::SGDOptions& o) {
  take_common(spec, o);
  spec.take("momentum", o.momentum);
  spec.take("nesterov", o.nesterov);
}

template <class Adam>
void take_adam(Spec& spec, Adam& o) {
  take_common(spec, o);
  spec.take("beta_1", o.beta_1);
  spec.take("beta_2", o.beta_2);
  spec.take("epsilon", o.epsilon);
  spec.take("amsgrad", o.amsgrad);
}
void take(Spec& spec, optimizers::AdamOptions& o) {
  take_adam(spec, o);
}
void take(Spec& spec, optimizers::AdamWOptions& o) {
  take_adam(spec, o);
}

void take(Spec& spec, optimizers::RMSpropOptions& o) {
  take_common(spec, o);
  spec.take("rho", o.rho);
  spec.take("momentum", o.momentum);
  spec.take("epsilon", o.epsilon);
  spec.take("centered", o.centered);
}

void take(Spec& spec, optimizers::AdagradOptions& o) {
  take_common(spec, o);
  spec.take("initial_accumulator_value", o.initial_accumulator_value);
  spec.take("epsilon", o.epsilon);
}

void take(Spec& spec, optimizers::AdafactorOptions& o) {
  take_common(spec, o);
  spec.take("beta_2_decay", o.beta_2_decay);
  spec.take("epsilon_1", o.epsilon_1);
  spec.take("epsilon_2", o.epsilon_2);
  spec.take("clip_threshold", o.clip_threshold);
  spec.take("relative_step", o.relative_step);
}

void take(Spec& spec, optimizers::LionOptions& o) {
  take_common(spec, o);
  spec.take("beta_1", o.beta_1);
  spec.take("beta_2", o.beta_2);
}

void take(Spec& spec, losses::LossOptions&) {
  (void)spec;
}
void take(Spec& spec, losses::HuberOptions& o) {
  spec.take("delta", o.delta);
}
template <class Smoothed>
void take_smoothed(Spec& spec, Smoothed& o) {
  spec.take("from_logits", o.from_logits);
  spec.take("label_smoothing", o.label_smoothing);
}
void take(Spec& spec, losses::BinaryCrossentropyOptions& o) {
  take_smoothed(spec, o);
}
void take(Spec& spec, losses::CategoricalCrossentropyOptions& o) {
  take_smoothed(spec, o);
}
void take(Spec& spec, losses::SparseCategoricalCrossentropyOptions& o) {
  spec.take("from_logits", o.from_logits);
  spec.take("ignore_class", o.ignore_class);
}

template <class Options>
void take_decay(Spec& spec, Options& o) {
  spec.take("initial_learning_rate", o.initial_learning_rate);
  spec.take("decay_steps", o.decay_steps);
  spec.take("decay_rate", o.decay_rate);
  spec.take("staircase", o.staircase);
}
void take(Spec& spec, schedules::ExponentialDecayOptions& o) {
  take_decay(spec, o);
}
void take(Spec& spec, schedules::InverseTimeDecayOptions& o) {
  take_decay(spec, o);
}
void take(Spec& spec, schedules::PiecewiseConstantDecayOptions& o) {
  spec.take("boundaries", o.boundaries);
  spec.take("values", o.values);
}
void take(Spec& spec, schedules::PolynomialDecayOptions& o) {
  spec.take("initial_learning_rate", o.initial_learning_rate);
  spec.take("decay_steps", o.decay_steps);
  spec.take("end_learning_rate", o.end_learning_rate);
  spec.take("power", o.power);
  spec.take("cycle", o.cycle);
}
void take(Spec& spec, schedules::CosineDecayOptions& o) {
  spec.take("initial_learning_rate", o.initial_learning_rate);
  spec.take("decay_steps", o.decay_steps);
  spec.take("alpha", o.alpha);
  spec.take("warmup_target", o.warmup_target);
  spec.take("warmup_steps", o.warmup_steps);
}
void take(Spec& spec, schedules::CosineDecayRestartsOptions& o) {
  spec.take("initial_learning_rate", o.initial_learning_rate);
  spec.take("first_decay_steps", o.first_decay_steps);
  spec.take("t_mul", o.t_mul);
  spec.take("m_mul", o.m_mul);
  spec.take("alpha", o.alpha);
}

template <class Options, auto kMake>
auto made(Spec& spec) {
  Options options;
  take(spec, options);
  spec.finish();
  return kMake(std::move(options));
}

template <class Result>
struct Maker {
  std::string_view name;
  Result (*make)(Spec& spec);
};

constexpr Maker<OptimizerPtr> kOptimizers[] = {
    {"SGD", made<optimizers::SGDOptions, optimizers::SGD>},
    {"Adam", made<optimizers::AdamOptions, optimizers::Adam>},
    {"AdamW", made<optimizers::AdamWOptions, optimizers::AdamW>},
    {"RMSprop", made<optimizers::RMSpropOptions, optimizers::RMSprop>},
    {"Adagrad", made<optimizers::AdagradOptions, optimizers::Adagrad>},
    {"Adafactor", made<optimizers::AdafactorOptions, optimizers::Adafactor>},
    {"Lion", made<optimizers::LionOptions, optimizers::Lion>},
};
constexpr Maker<LossPtr> kLosses[] = {
    {"MeanSquaredError", made<losses::LossOptions, losses::MeanSquaredError>},
    {"MeanAbsoluteError", made<losses::LossOptions, losses::MeanAbsoluteError>},
    {"Huber", made<losses::HuberOptions, losses::Huber>},
    {"BinaryCrossentropy", made<losses::BinaryCrossentropyOptions, losses::BinaryCrossentropy>},
    {"CategoricalCrossentropy",
     made<losses::CategoricalCrossentropyOptions, losses::CategoricalCrossentropy>},
    {"SparseCategoricalCrossentropy",
     made<losses::SparseCategoricalCrossentropyOptions, losses::SparseCategoricalCrossentropy>},
};
constexpr Maker<SchedulePtr> kSchedules[] = {
    {"ExponentialDecay", made<schedules::ExponentialDecayOptions, schedules::ExponentialDecay>},
    {"InverseTimeDecay", made<schedules::InverseTimeDecayOptions, schedules::InverseTimeDecay>},
    {"PiecewiseConstantDecay",
     made<schedules::PiecewiseConstantDecayOptions, schedules::PiecewiseConstantDecay>},
    {"PolynomialDecay", made<schedules::PolynomialDecayOptions, schedules::PolynomialDecay>},
    {"CosineDecay", made<schedules::CosineDecayOptions, schedules::CosineDecay>},
    {"CosineDecayRestarts",
     made<schedules::CosineDecayRestartsOptions, schedules::CosineDecayRestarts>},
};

/// The maker of that name; null when there is none.
template <class Result, std::size_t kCount>
const Maker<Result>* find(const Maker<Result> (&makers)[kCount], std::string_view name) {
  for (const Maker<Result>& maker : makers) {
    if (maker.name == name) return &maker;
  }
  return nullptr;
}

template <class Result, std::size_t kCount>
[[noreturn]] void fail_unknown(const Maker<Result> (&makers)[kCount], const char* what,
                               const std::string& name) {
  std::vector<std::string_view> known;
  for (const Maker<Result>& maker : makers) known.push_back(maker.name);
  throw ValueError(
      fmt::format("There is no {} '{}'; there are {}", what, name, fmt::join(known, ", ")));
}

}  // namespace

OptimizerPtr make_optimizer(std::string_view text) {
  Spec spec(text, "optimizer");
  if (const auto* maker = find(kOptimizers, spec.name())) return maker->make(spec);
  OptimizerPtr optimizer = optimizers::get(spec.name());
  spec.finish();
  return optimizer;
}

LossPtr make_loss(std::string_view text) {
  Spec spec(text, "loss");
  if (const auto* maker = find(kLosses, spec.name())) return maker->make(spec);
  LossPtr loss = losses::get(spec.name());
  spec.finish();
  return loss;
}

SchedulePtr make_schedule(std::string_view text) {
  Spec spec(text, "learning rate");
  if (const auto* maker = find(kSchedules, spec.name())) return maker->make(spec);
  fail_unknown(kSchedules, "learning rate", spec.name());
}

}  // namespace lamina::training
