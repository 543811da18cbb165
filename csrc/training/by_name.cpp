// Losses, schedules and optimizers out of words: what Keras calls them, and their options. Metrics
// are in metrics_by_name.cpp.
#include "training/by_name.h"

#include <utility>

#include "training/makers.h"
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

void take(Spec& spec, losses::BinaryFocalCrossentropyOptions& o) {
  take_smoothed(spec, o);
  spec.take("apply_class_balancing", o.apply_class_balancing);
  spec.take("alpha", o.alpha);
  spec.take("gamma", o.gamma);
}
void take(Spec& spec, losses::CategoricalFocalCrossentropyOptions& o) {
  take_smoothed(spec, o);
  spec.take("alpha", o.alpha);
  spec.take("gamma", o.gamma);
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

constexpr Maker<OptimizerPtr> kOptimizers[] = {
    {"SGD", {}, made<optimizers::SGDOptions, optimizers::SGD>},
    {"Adam", {}, made<optimizers::AdamOptions, optimizers::Adam>},
    {"AdamW", {}, made<optimizers::AdamWOptions, optimizers::AdamW>},
    {"RMSprop", {}, made<optimizers::RMSpropOptions, optimizers::RMSprop>},
    {"Adagrad", {}, made<optimizers::AdagradOptions, optimizers::Adagrad>},
    {"Adafactor", {}, made<optimizers::AdafactorOptions, optimizers::Adafactor>},
    {"Lion", {}, made<optimizers::LionOptions, optimizers::Lion>},
};
constexpr Maker<LossPtr> kLosses[] = {
    {"MeanSquaredError",
     {"mean_squared_error", "mse", "MSE"},
     made<losses::LossOptions, losses::MeanSquaredError>},
    {"MeanAbsoluteError",
     {"mean_absolute_error", "mae", "MAE"},
     made<losses::LossOptions, losses::MeanAbsoluteError>},
    {"Huber", {"huber"}, made<losses::HuberOptions, losses::Huber>},
    {"BinaryCrossentropy",
     {"binary_crossentropy", "bce", "BCE"},
     made<losses::BinaryCrossentropyOptions, losses::BinaryCrossentropy>},
    {"CategoricalCrossentropy",
     {"categorical_crossentropy"},
     made<losses::CategoricalCrossentropyOptions, losses::CategoricalCrossentropy>},
    {"SparseCategoricalCrossentropy",
     {"sparse_categorical_crossentropy"},
     made<losses::SparseCategoricalCrossentropyOptions, losses::SparseCategoricalCrossentropy>},
    {"MeanAbsolutePercentageError",
     {"mean_absolute_percentage_error", "mape", "MAPE"},
     made<losses::LossOptions, losses::MeanAbsolutePercentageError>},
    {"MeanSquaredLogarithmicError",
     {"mean_squared_logarithmic_error", "msle", "MSLE"},
     made<losses::LossOptions, losses::MeanSquaredLogarithmicError>},
    {"LogCosh", {"log_cosh"}, made<losses::LossOptions, losses::LogCosh>},
    {"Poisson", {"poisson"}, made<losses::LossOptions, losses::Poisson>},
    {"CosineSimilarity",
     {"cosine_similarity"},
     made<losses::LossOptions, losses::CosineSimilarity>},
    {"KLDivergence",
     {"kl_divergence", "kld", "KLD"},
     made<losses::LossOptions, losses::KLDivergence>},
    {"Hinge", {"hinge"}, made<losses::LossOptions, losses::Hinge>},
    {"SquaredHinge", {"squared_hinge"}, made<losses::LossOptions, losses::SquaredHinge>},
    {"CategoricalHinge",
     {"categorical_hinge"},
     made<losses::LossOptions, losses::CategoricalHinge>},
    {"BinaryFocalCrossentropy",
     {"binary_focal_crossentropy"},
     made<losses::BinaryFocalCrossentropyOptions, losses::BinaryFocalCrossentropy>},
    {"CategoricalFocalCrossentropy",
     {"categorical_focal_crossentropy"},
     made<losses::CategoricalFocalCrossentropyOptions, losses::CategoricalFocalCrossentropy>},
};
constexpr Maker<SchedulePtr> kSchedules[] = {
    {"ExponentialDecay", {}, made<schedules::ExponentialDecayOptions, schedules::ExponentialDecay>},
    {"InverseTimeDecay", {}, made<schedules::InverseTimeDecayOptions, schedules::InverseTimeDecay>},
    {"PiecewiseConstantDecay",
     {},
     made<schedules::PiecewiseConstantDecayOptions, schedules::PiecewiseConstantDecay>},
    {"PolynomialDecay", {}, made<schedules::PolynomialDecayOptions, schedules::PolynomialDecay>},
    {"CosineDecay", {}, made<schedules::CosineDecayOptions, schedules::CosineDecay>},
    {"CosineDecayRestarts",
     {},
     made<schedules::CosineDecayRestartsOptions, schedules::CosineDecayRestarts>},
};

}  // namespace

OptimizerPtr make_optimizer(std::string_view text) {
  return make(kOptimizers, "optimizer", text);
}

LossPtr make_loss(std::string_view text) {
  return make(kLosses, "loss", text);
}

SchedulePtr make_schedule(std::string_view text) {
  return make(kSchedules, "learning rate", text);
}

}  // namespace lamina::training

namespace lamina {

OptimizerPtr optimizers::get(std::string_view name) {
  return training::plain(training::kOptimizers, "optimizer", name);
}

LossPtr losses::get(std::string_view name) {
  return training::plain(training::kLosses, "loss", name);
}

}  // namespace lamina
